// The witness over HTTP: POST /add-checkpoint and GET /<hash of origin>/checkpoint.
//
// Storing a checkpoint waits for the disk, so all is done on a thread of its own; while more than
// kMaxWaiting requests wait for it, others are told to come again.
//
// Spec: C2SP tlog-witness; submission and monitoring prefix are the same, the server's root.
#pragma once

#include "http/message.h"
#include "http/workers.h"
#include "witness/witness.h"

namespace pgtally::witness {

class Handler : public http::Handler {
 public:
  static constexpr std::size_t kMaxWaiting = 256;

  explicit Handler(Witness witness) : witness_(std::move(witness)), workers_(1, kMaxWaiting) {}

  void handle(http::Request request, http::Answer answer) override;

 private:
  [[nodiscard]] Answer add_checkpoint(const http::Request& request);

  Witness witness_;
  http::Workers workers_;  // last: its thread uses the witness
};

}  // namespace pgtally::witness
