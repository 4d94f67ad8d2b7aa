// Verifies a proof file, and that the ledger's checkpoint which was kept elsewhere is one that the
// same policy trusts.
//
//     verify POLICY PROOF CHECKPOINT
#include <pgtally/verify.h>

#include <fstream>
#include <iostream>
#include <iterator>

static std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

static pgtally::Result<void> verify(char** files) {
  TRY(const auto policy, pgtally::Policy::parse(read(files[0])));
  TRY(const auto proof, pgtally::verify_proof(read(files[1]), policy));
  std::cout << "entry " << proof.id.value << " of " << proof.origin << "\n";
  TRY(const auto kept, pgtally::verify_checkpoint(read(files[2]), policy));
  std::cout << "checkpoint of size " << kept.checkpoint.size.value << "\n";
  for (const auto& witness : kept.cosigned_by) std::cout << "seen by " << witness.witness << "\n";
  return {};
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto verified = verify(argv + 1);
  if (!verified.ok()) std::cerr << "error: " << verified.error().message << "\n";
  return verified.ok() ? 0 : 1;
}
