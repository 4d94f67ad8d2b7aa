#include "postgres/pipeline.h"

#include "postgres/session.h"

namespace pgtally::pg {
namespace {

// Reads the answers up to and including the one to the sync. Every statement gives its result and
// then a null; after an error the rest give PGRES_PIPELINE_ABORTED.
Result<std::vector<Rows>> read_answers(Session& session, const std::vector<std::string>& texts) {
  std::vector<Rows> answers;
  std::optional<Error> first_error;
  std::size_t step = 0;
  bool in_step = false;
  while (true) {
    ResultPtr result(PQgetResult(session.handle()));
    if (!result) {
      if (!in_step) break;  // two in a row: nothing is outstanding, so the connection is lost
      in_step = false;
      ++step;
      continue;
    }
    in_step = true;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
      // There is no way on from here but to end the session.
      first_error = session.fail(SqlError{.message = "COPY does not belong in a pipeline"});
      session.sever();
      continue;
    }
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
      answers.emplace_back(result.release());
    } else if (status != PGRES_PIPELINE_ABORTED && !first_error) {
      const std::string text = step < texts.size() ? texts[step] : std::string();
      first_error = session.fail(result.get(), text)
                        .within("statement " + std::to_string(step + 1) + " of " +
                                std::to_string(texts.size()) + " in a pipeline");
    }
  }
  if (first_error) return *std::move(first_error);
  if (answers.size() != texts.size()) return session.fail_from_connection();
  return answers;
}

}  // namespace

void Pipeline::add(std::string sql, Params params) {
  steps_.push_back(Step{false, std::move(sql), std::move(params)});
}

void Pipeline::add_prepared(std::string name, Params params) {
  steps_.push_back(Step{true, std::move(name), std::move(params)});
}

Result<std::vector<Rows>> Pipeline::run(Connection& connection) {
  const std::vector<Step> steps = std::exchange(steps_, {});
  Session& session = connection.session();
  session.forget_last_error();
  // Before anything is sent, so that nothing is half done.
  for (const Step& step : steps) TRY_VOID(check_statement(step.text, step.params));
  if (PQenterPipelineMode(session.handle()) == 0) return session.fail_from_connection();

  std::vector<std::string> texts;
  bool sent = true;
  for (const Step& step : steps) {
    sent = sent && session.send_extended(step.text, step.params, step.prepared, true).ok();
    texts.push_back(step.prepared ? std::string() : step.text);
  }
  sent = sent && PQpipelineSync(session.handle()) != 0;
  // A part that was sent must not be committed without the rest: ending the session undoes it.
  if (!sent) session.sever();
  auto answers = read_answers(session, texts);
  PQexitPipelineMode(session.handle());
  return answers;
}

}  // namespace pgtally::pg
