#include "http/log_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>

namespace pgtally::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

const prometheus::Histogram::BucketBoundaries kBuckets{0.0001, 0.001, 0.01, 0.1, 1, 10};
// What this program answers with; the last stands for everything else.
constexpr std::array kCodes{200U, 201U, 202U, 400U, 401U, 403U, 404U,
                            405U, 413U, 415U, 429U, 500U, 503U, 0U};

double since(Time then) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  // As floating point: the database may hold a time that is infinite.
  const double age = static_cast<double>(microseconds) - static_cast<double>(then.microseconds);
  return std::max(0.0, age / 1e6);
}

// Families whose values are read when they are asked for.
class Families {
 public:
  template <typename Number>
  void gauge(const char* name, const char* help, Number value) {
    add(name, help, MetricType::Gauge).metric.push_back(metric(MetricType::Gauge, value));
  }
  template <typename Number>
  void counter(const char* name, const char* help, Number value) {
    add(name, help, MetricType::Counter).metric.push_back(metric(MetricType::Counter, value));
  }
  // One for each source.
  void of_sources(const char* name, const char* help, const std::vector<SourceStatus>& sources,
                  double (*value)(const SourceStatus&)) {
    MetricFamily& family = add(name, help, MetricType::Gauge);
    for (const SourceStatus& source : sources) {
      ClientMetric one = metric(MetricType::Gauge, value(source));
      one.label.push_back({"source", source.info.name});
      family.metric.push_back(std::move(one));
    }
  }
  [[nodiscard]] std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  MetricFamily& add(const char* name, const char* help, MetricType type) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
    return families_.back();
  }
  template <typename Number>
  static ClientMetric metric(MetricType type, Number value) {
    ClientMetric metric;
    (type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) =
        static_cast<double>(value);
    return metric;
  }

  std::vector<MetricFamily> families_;
};

void add_ledger(Families& out, const MetricSources& from) {
  out.gauge("pgtally_database_up", "Whether the database answers", from.database_is_there);
  out.gauge("pgtally_sequencer_up", "Whether this instance sequences and signs", from.sequences);
  out.counter("pgtally_sequenced_rows_total", "Rows that this process gave their place in the log",
              from.pulse.rows);
  out.counter("pgtally_signed_checkpoints_total", "Checkpoints that this process signed",
              from.pulse.checkpoints);
  if (from.head != nullptr) {
    out.gauge("pgtally_checkpoint_size", "Entries under the newest signed checkpoint",
              from.head->size.value);
    out.gauge("pgtally_checkpoint_age_seconds", "Time since the newest checkpoint was signed",
              since(from.head->signed_at));
  }
  if (from.status == nullptr) return;
  const auto& sources = from.status->status.sources;
  out.gauge("pgtally_log_entries", "Entries that are sequenced, signed or not",
            from.status->status.log_size);
  out.gauge("pgtally_status_age_seconds", "Time since what follows was read from the database",
            since(from.status->status.now));
  out.of_sources("pgtally_source_entries", "Entries of the source", sources,
                 [](const SourceStatus& s) { return static_cast<double>(s.info.entries); });
  out.of_sources("pgtally_source_lag_rows", "Rows that wait to be sequenced", sources,
                 [](const SourceStatus& s) { return static_cast<double>(s.lag_rows); });
  out.of_sources(
      "pgtally_source_lag_seconds",
      "How long the first of them has waited, or how long ago the last sweep began where "
      "nothing else tells",
      sources, [](const SourceStatus& s) { return s.lag_seconds; });
  out.of_sources("pgtally_source_late_rows", "Rows that only a sweep found", sources,
                 [](const SourceStatus& s) { return static_cast<double>(s.info.late_rows); });
  out.of_sources("pgtally_source_failing", "Whether nothing can be taken from it", sources,
                 [](const SourceStatus& s) { return s.info.failure ? 1.0 : 0.0; });
}

void add_server(Families& out, const MetricSources& from) {
  out.gauge("pgtally_http_connections", "Open connections", from.server.connections);
  out.gauge("pgtally_http_event_streams", "Of these, streams of events", from.server.event_streams);
  out.counter("pgtally_http_accepted_total", "Connections that were accepted",
              from.server.accepted);
  out.counter("pgtally_http_refused_total", "Connections that there was no room for",
              from.server.refused);
  out.counter("pgtally_http_malformed_total", "Requests that were none", from.server.malformed);
  out.counter("pgtally_http_timeouts_total", "Connections that were closed for taking too long",
              from.server.timed_out);
  out.counter("pgtally_http_sent_bytes_total", "Bytes of answers", from.server.bytes_sent);
  out.gauge("pgtally_http_waiting_requests", "Requests that wait for a session", from.waiting);
  out.gauge("pgtally_cache_bytes", "Memory that tiles, entries and nodes take", from.cache.bytes);
  out.counter("pgtally_cache_hits_total", "What was in memory", from.cache.hits);
  out.counter("pgtally_cache_misses_total", "What was not", from.cache.misses);
  out.counter("pgtally_cache_evictions_total", "What had to make room", from.cache.evicted);
}

}  // namespace

struct LogMetrics::State {
  // Looked up once: a request must not pay for finding its counters by their labels.
  struct Series {
    prometheus::Histogram* seconds;
    std::array<prometheus::Counter*, kCodes.size()> codes;
  };
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                                          .Name("pgtally_http_requests_total")
                                                          .Help("Answers by route and status")
                                                          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("pgtally_http_request_seconds")
          .Help("From the whole request to its answer")
          .Register(registry);
  std::vector<Series> series;
};

LogMetrics::LogMetrics(const std::vector<std::string>& routes) : state_(std::make_unique<State>()) {
  for (const std::string& route : routes) {
    State::Series series{&state_->seconds.Add({{"route", route}}, kBuckets), {}};
    for (std::size_t i = 0; i < kCodes.size(); ++i) {
      const std::string code = kCodes[i] == 0 ? "other" : std::to_string(kCodes[i]);
      series.codes[i] = &state_->requests.Add({{"route", route}, {"code", code}});
    }
    state_->series.push_back(series);
  }
}

LogMetrics::~LogMetrics() = default;

void LogMetrics::answered(std::size_t route, unsigned status, std::chrono::nanoseconds took) {
  const State::Series& series = state_->series[route];
  const auto code = std::ranges::find(kCodes, status);
  const auto place =
      code == kCodes.end() ? kCodes.size() - 1 : static_cast<std::size_t>(code - kCodes.begin());
  series.codes[place]->Increment();
  series.seconds->Observe(static_cast<double>(took.count()) / 1e9);
}

std::string LogMetrics::text(const MetricSources& sources) const {
  Families families;
  add_ledger(families, sources);
  add_server(families, sources);
  auto all = families.take();
  for (auto& family : state_->registry.Collect()) all.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace pgtally::http
