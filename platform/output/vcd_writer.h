// Writes what models tell as a value change dump (IEEE 1364-2005, section 18), for GTKWave and
// other waveform viewers. Scopes come from the dots in signal names. A signal with value names is
// written as a variable of type string, which is GTKWave's extension of the format, and so is the
// operator that each engine works on ("<engine>.operation").
//
// Only changes inside the window [start_ps, stop_ps] are written; at its start every signal has its
// value of that time. Changes may be reported ahead of time and out of order: they wait in a buffer
// until advance() says that nothing earlier can come, or until the buffer is full. A change that
// then still comes too late is written at the latest time written so far and counted.
#pragma once

#include <cstdint>
#include <limits>
#include <ostream>
#include <queue>
#include <string>
#include <vector>

#include "models/common/activity.h"

namespace hpimvp::output {

struct VcdOptions {
  std::uint64_t start_ps = 0;
  std::uint64_t stop_ps = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_bytes = 256u << 20;           // of the file, which ends there with a comment
  std::size_t buffered_changes = 1u << 20;        // changes that may wait
  std::vector<std::string> operation_names = {};  // of operators; others are shown by number
};

class VcdWriter : public common::ActivitySink {
 public:
  // The stream must outlive the writer and should be a file opened in binary mode.
  VcdWriter(std::ostream& stream, VcdOptions options);
  // Completes the file, whatever happened.
  ~VcdWriter() override;
  VcdWriter(const VcdWriter&) = delete;
  VcdWriter& operator=(const VcdWriter&) = delete;

  // Declarations throw std::logic_error once the first change has been written or advance() called,
  // and std::invalid_argument for a name that exists already or a width other than 1 to 64.
  common::SignalId declare_signal(std::string_view name, unsigned bits,
                                  const std::vector<std::string>& value_names = {}) override;
  std::uint32_t declare_engine(std::string_view name) override;
  // A clock that toggles all through the window, the first edge rising at time 0. It is left out,
  // with a comment in the file, when its edges would take more than a quarter of max_bytes.
  void declare_clock(std::string_view name, std::uint64_t period_ps);

  void change(common::SignalId signal, std::uint64_t time_ps, std::uint64_t value) override;
  void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                 std::uint64_t end_ps) override;

  // Names of operators, as in the options, when they are known only after declaration.
  void set_operation_names(std::vector<std::string> names);

  // Nothing before `time_ps` will be reported any more.
  void advance(std::uint64_t time_ps);
  // Writes what waits and ends the file at `end_ps` (or the last change, or the window's end).
  // Whatever comes later is ignored.
  void finish(std::uint64_t end_ps = 0);

  std::uint64_t bytes_written() const { return bytes_written_; }
  bool truncated() const { return truncated_; }  // max_bytes was reached
  std::uint64_t late_changes() const { return late_changes_; }

 private:
  enum class Kind : std::uint8_t { kVector, kNames, kOperation, kClock };
  struct Signal {
    std::string name;  // with the scopes
    std::string identifier;
    Kind kind = Kind::kVector;
    unsigned bits = 1;
    std::vector<std::string> value_names;
    std::uint64_t value = 0;
  };
  struct Change {
    std::uint64_t time_ps;
    std::uint64_t sequence;  // keeps the order of reports of one time
    common::SignalId signal;
    std::uint64_t value;
    bool operator>(const Change& other) const {
      return time_ps != other.time_ps ? time_ps > other.time_ps : sequence > other.sequence;
    }
  };
  struct Clock {
    common::SignalId signal;
    std::uint64_t period_ps;
    std::uint64_t next_edge = 0;  // number of the next edge; edge n is at n * period / 2
    std::uint64_t edge_time_ps() const { return next_edge * period_ps / 2; }
  };

  common::SignalId add(std::string_view name, Kind kind, unsigned bits,
                       const std::vector<std::string>& value_names);
  bool clock_fits(std::uint64_t period_ps) const;
  void push(std::uint64_t time_ps, common::SignalId signal, std::uint64_t value);
  void pop();
  void apply(Change change);
  // Writes the header and the values at the window's start, once.
  void open_window();
  void write_header();
  void write_clock_edges(std::uint64_t until_ps);
  void write_time(std::uint64_t time_ps);
  void write_value(const Signal& signal);
  std::string operation_name(std::uint64_t operation) const;
  void write(const std::string& text);

  std::ostream& stream_;
  VcdOptions options_;
  std::vector<Signal> signals_;
  std::vector<Clock> clocks_;
  std::vector<std::string> comments_;
  std::vector<common::SignalId> engine_signals_;
  std::priority_queue<Change, std::vector<Change>, std::greater<>> waiting_;
  std::uint64_t next_sequence_ = 0;
  bool declared_ = false;  // no more declarations
  bool window_open_ = false;
  bool finished_ = false;
  bool truncated_ = false;
  std::uint64_t written_time_ps_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t late_changes_ = 0;
};

}  // namespace hpimvp::output
