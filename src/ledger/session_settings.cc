#include "ledger/session_settings.h"

#include "postgres/output_settings.h"

namespace pgtally {
namespace {

// What keeps the sequencer's plans and commits as they should be, and remembers what the next
// settings replace.
constexpr const char* kSession = R"sql(
  SELECT set_config('pgtally.user_search_path', current_setting('search_path'), false)
   WHERE current_setting('pgtally.user_search_path', true) IS NULL;
  SET jit = off;
  SELECT set_config('synchronous_commit', 'on', false)
   WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
)sql";

}  // namespace

Result<void> prepare_session(pg::Connection& connection) {
  return connection.execute(std::string(kSession) + pg::kOutputSettings);
}

}  // namespace pgtally
