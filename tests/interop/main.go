// What clients and witnesses of others make of pgtally.
//
//	interop note VKEY FILE         golang.org/x/mod/sumdb/note opens a checkpoint
//	interop fsck URL VKEY          Tessera's fsck walks a log
//	interop client URL VKEY [OLD]  Tessera's client fetches and verifies proofs, also from an old checkpoint
//	interop witnessed POLICY DIR SKEY   a log of Tessera's is witnessed by the witnesses of a policy
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	commands := map[string]struct {
		arguments int
		run       func(context.Context, []string) error
	}{
		"note":      {2, openNote},
		"fsck":      {2, runFsck},
		"client":    {2, runClient},
		"witnessed": {3, runWitnessed},
	}
	command, known := commands[append(os.Args, "")[1]]
	if !known || len(os.Args) < 2+command.arguments {
		fmt.Fprintln(os.Stderr, "usage: interop note|fsck|client|witnessed …")
		os.Exit(2)
	}
	if err := command.run(ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func openNote(_ context.Context, args []string) error {
	verifier, err := note.NewVerifier(args[0])
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	fmt.Printf("verified %d, unverified %d\n%s", len(opened.Sigs), len(opened.UnverifiedSigs), opened.Text)
	return nil
}

// A log at a URL, file:// or http://.
func open(address, vkey string) (fsck.Fetcher, note.Verifier, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, nil, err
	}
	where, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	if where.Scheme == "file" {
		return &client.FileFetcher{Root: where.Path}, verifier, nil
	}
	fetcher, err := client.NewHTTPFetcher(where, nil)
	return fetcher, verifier, err
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

func runFsck(ctx context.Context, args []string) error {
	fetcher, verifier, err := open(args[0], args[1])
	if err != nil {
		return err
	}
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 4}).Check(ctx); err != nil {
		return err
	}
	fmt.Println("sound")
	return nil
}

func runClient(ctx context.Context, args []string) error {
	fetcher, verifier, err := open(args[0], args[1])
	if err != nil {
		return err
	}
	checkpoint, _, _, err := client.FetchCheckpoint(ctx, fetcher.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, fetcher.ReadTile)
	if err != nil {
		return err
	}
	step := checkpoint.Size/200 + 1
	for index := uint64(0); index < checkpoint.Size; index += step {
		path, err := builder.InclusionProof(ctx, index)
		if err != nil {
			return err
		}
		bundle, err := client.GetEntryBundle(ctx, fetcher.ReadEntryBundle, index/layout.EntryBundleWidth, checkpoint.Size)
		if err != nil {
			return err
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[index%layout.EntryBundleWidth])
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, checkpoint.Size, leaf, path, checkpoint.Hash); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	fmt.Printf("included, of size %d\n", checkpoint.Size)
	if len(args) < 3 {
		return nil
	}
	old, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	tracker, err := client.NewLogStateTracker(ctx, fetcher.ReadTile, old, verifier, verifier.Name(),
		client.UnilateralConsensus(fetcher.ReadCheckpoint))
	if err != nil {
		return err
	}
	before := tracker.Latest()
	if _, _, _, err := tracker.Update(ctx); err != nil {
		return err
	}
	fmt.Printf("extends size %d\n", before.Size)
	return nil
}

func runWitnessed(ctx context.Context, args []string) error {
	policy, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(string(secret))
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: args[1]})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithCheckpointInterval(time.Second).WithBatching(1, 10*time.Millisecond).
		WithWitnesses(witnesses, nil)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 100*time.Millisecond)
	var published []byte
	for i := 0; i < 3; i++ {
		future := appender.Add(ctx, tessera.NewEntry([]byte(fmt.Sprintf("entry %d", i))))
		if _, published, err = awaiter.Await(ctx, future); err != nil {
			return err
		}
	}
	if err := shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Print(string(published))
	return nil
}
