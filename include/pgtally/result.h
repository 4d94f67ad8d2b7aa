// Result<T>: a value, or an Error that says what happened and what the caller can do about it.
//
// pgtally's own code throws nothing for things that can happen; an exception is a defect or memory
// running out. Errors are values, marked [[nodiscard]], and travel up with TRY and TRY_VOID.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace pgtally {

// What the caller does next.
enum class ErrorCode {
  kRetry,     // passing: try again later, nothing is wrong with the request (lost connection, lock)
  kReject,    // the input is wrong: bad argument, malformed bytes, unknown name, out of range
  kTampered,  // verification says no: hashes, signatures or histories do not agree
  kOperator,  // a person has to change something: rights, settings, disk, a missing file
};

// `message` is one sentence: what happened, with the values. `hint` says what to do next; it may be
// empty and may have several lines.
struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;
  std::string hint;

  // The same error with what was being done put before it: "reading a.tlog-proof: line 3: …".
  [[nodiscard]] Error within(const std::string& doing) const {
    return Error{code, doing + ": " + message, hint};
  }
};

inline Error retry(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kRetry, std::move(message), std::move(hint)};
}
inline Error reject(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kReject, std::move(message), std::move(hint)};
}
inline Error tampered(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kTampered, std::move(message), std::move(hint)};
}
inline Error operator_error(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kOperator, std::move(message), std::move(hint)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition: ok().
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Precondition: !ok().
  [[nodiscard]] Error& error() & { return std::get<1>(state_); }
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] Error& error() & { return *error_; }
  [[nodiscard]] const Error& error() const& { return *error_; }
  [[nodiscard]] Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace pgtally

// TRY(auto x, expression): x is the value of the Result, or the enclosing function returns its error.
// TRY_VOID(expression): the same where there is no value to keep.
#define PGTALLY_CONCAT_(a, b) a##b
#define PGTALLY_CONCAT(a, b) PGTALLY_CONCAT_(a, b)
#define PGTALLY_TRY_(temporary, declaration, expression)    \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  declaration = std::move(temporary).value()
#define TRY(declaration, ...) \
  PGTALLY_TRY_(PGTALLY_CONCAT(try_, __COUNTER__), declaration, (__VA_ARGS__))
#define TRY_VOID(...)                                           \
  do {                                                          \
    auto try_result = (__VA_ARGS__);                            \
    if (!try_result.ok()) return std::move(try_result).error(); \
  } while (false)
