// How fast the tree grows, held against what it cannot beat: one SHA-256 of 65 bytes for each leaf.
//
// The two run in turns within one process, so that a busy machine slows both down; the ratio of
// their medians is what counts. It must be 0.5 or more, and the program fails if it is not.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include "crypto/sha256.h"
#include "merkle/tile_cutter.h"
#include "pgtally/merkle.h"

namespace {

using namespace pgtally;

constexpr std::size_t kLeaves = 1 << 20;
constexpr std::size_t kBatch = 10000;
constexpr double kRequiredRatio = 0.5;

std::vector<double> bare_rates;
std::vector<double> tree_rates;

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void bare_hashes() {
  std::array<std::uint8_t, 65> input{1};
  for (std::size_t i = 0; i < kLeaves; ++i) {
    const Hash hash = sha256(ByteView(input));
    std::copy(hash.bytes.begin(), hash.bytes.end(), input.begin() + 1);
  }
  benchmark::DoNotOptimize(input);
}

// As the integrator does it: tiles are taken after each batch, with the root of that moment.
void grow_tree(const std::vector<Hash>& leaves) {
  TileCutter cutter;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    cutter.append(leaves[i]);
    if ((i + 1) % kBatch != 0) continue;
    benchmark::DoNotOptimize(cutter.take_writes());
    benchmark::DoNotOptimize(cutter.frontier().root());
  }
  benchmark::DoNotOptimize(cutter.frontier().root());
}

void tree_in_turns_with_bare_sha256(benchmark::State& state) {
  std::vector<Hash> leaves(kLeaves);
  for (std::size_t i = 0; i < kLeaves; ++i) {
    leaves[i] = sha256(ByteView(reinterpret_cast<const std::uint8_t*>(&i), sizeof i));
  }
  for (auto _ : state) {
    const double bare = seconds_of(bare_hashes);
    const double tree = seconds_of([&] { grow_tree(leaves); });
    state.SetIterationTime(tree);
    bare_rates.push_back(kLeaves / bare);
    tree_rates.push_back(kLeaves / tree);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kLeaves));
}
BENCHMARK(tree_in_turns_with_bare_sha256)
    ->UseManualTime()
    ->Iterations(7)
    ->Unit(benchmark::kMillisecond);

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  if (tree_rates.empty()) return 0;

  const double bare = median(bare_rates);
  const double tree = median(tree_rates);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < bare_rates.size(); ++i)
    ratios.push_back(tree_rates[i] / bare_rates[i]);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  // A row of the table that bench/run prints.
  std::printf(
      "| the tree with its tiles, against bare SHA-256 of 65 bytes | %.2f M/s | %.2f M/s | "
      "%.2f (%.2f-%.2f) | %.2f |\n",
      tree / 1e6, bare / 1e6, median(ratios), *low, *high, kRequiredRatio);
  return median(ratios) >= kRequiredRatio ? 0 : 1;
}
