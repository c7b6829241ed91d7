#include "platform/output/vcd_writer.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

namespace hpimvp::output {
namespace {

// What an engine's operation signal holds while it works on nothing.
constexpr std::uint64_t kIdle = ~std::uint64_t{0};
constexpr std::uint32_t kNoOperation = 0xFFFFFFFF;

// "#1234567890" and a value of one bit, each on its line, and a little slack.
constexpr std::uint64_t kBytesPerClockEdge = 18;

// Printable characters from '!' to '~' as digits (IEEE 1364-2005, 18.2.1).
std::string make_identifier(std::size_t number) {
  std::string identifier;
  do {
    identifier += static_cast<char>('!' + number % 94);
    number /= 94;
  } while (number != 0);
  return identifier;
}

std::string without_spaces(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) <= ' ') c = '_';
  }
  return text.empty() ? "_" : text;
}

// The scopes of a design as a tree; children in the order of their names.
struct Scope {
  std::map<std::string, Scope> scopes;
  std::map<std::string, std::size_t> signals;  // local name -> index
};

}  // namespace

VcdWriter::VcdWriter(std::ostream& stream, VcdOptions options)
    : stream_(stream), options_(std::move(options)) {}

VcdWriter::~VcdWriter() {
  try {
    finish();
  } catch (...) {  // A stream that throws has nowhere to complete its file to.
  }
}

common::SignalId VcdWriter::add(std::string_view name, Kind kind, unsigned bits,
                                const std::vector<std::string>& value_names) {
  const std::string full_name(name);
  if (declared_) {
    throw std::logic_error("waveform: signal " + full_name + " is declared after the start");
  }
  if (bits < 1 || bits > 64) {
    throw std::invalid_argument("waveform: signal " + full_name + " has " + std::to_string(bits) +
                                " bits; 1 to 64 are possible");
  }
  for (const Signal& signal : signals_) {
    if (signal.name == full_name) {
      throw std::invalid_argument("waveform: signal " + full_name + " is declared twice");
    }
  }
  Signal signal;
  signal.name = full_name;
  signal.identifier = make_identifier(signals_.size());
  signal.kind = kind;
  signal.bits = bits;
  for (const std::string& value_name : value_names) {
    signal.value_names.push_back(without_spaces(value_name));
  }
  signals_.push_back(std::move(signal));
  return static_cast<common::SignalId>(signals_.size() - 1);
}

common::SignalId VcdWriter::declare_signal(std::string_view name, unsigned bits,
                                           const std::vector<std::string>& value_names) {
  return add(name, value_names.empty() ? Kind::kVector : Kind::kNames, bits, value_names);
}

std::uint32_t VcdWriter::declare_engine(std::string_view name) {
  const common::SignalId signal = add(std::string(name) + ".operation", Kind::kOperation, 32, {});
  signals_[signal].value = kIdle;
  engine_signals_.push_back(signal);
  return static_cast<std::uint32_t>(engine_signals_.size() - 1);
}

bool VcdWriter::clock_fits(std::uint64_t period_ps) const {
  const std::uint64_t edges = (options_.stop_ps - options_.start_ps) / period_ps * 2;
  return edges <= options_.max_bytes / 4 / kBytesPerClockEdge;
}

void VcdWriter::declare_clock(std::string_view name, std::uint64_t period_ps) {
  if (period_ps < 2) {
    throw std::invalid_argument("waveform: clock " + std::string(name) +
                                " has a period of less than 2 ps");
  }
  if (!clock_fits(period_ps)) {
    comments_.push_back("clock " + std::string(name) + " of " + std::to_string(period_ps) +
                        " ps is left out: the window is too long to draw its edges");
    return;
  }
  clocks_.push_back({add(name, Kind::kClock, 1, {}), period_ps, 0});
}

void VcdWriter::set_operation_names(std::vector<std::string> names) {
  options_.operation_names = std::move(names);
}

void VcdWriter::change(common::SignalId signal, std::uint64_t time_ps, std::uint64_t value) {
  push(time_ps, signal, value);
}

void VcdWriter::operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                          std::uint64_t end_ps) {
  push(start_ps, engine_signals_[engine], operation);
  push(end_ps, engine_signals_[engine], kIdle);
}

void VcdWriter::push(std::uint64_t time_ps, common::SignalId signal, std::uint64_t value) {
  if (finished_ || time_ps > options_.stop_ps) return;
  waiting_.push({time_ps, next_sequence_++, signal, value});
  if (waiting_.size() > options_.buffered_changes) pop();
}

void VcdWriter::pop() {
  declared_ = true;
  const Change change = waiting_.top();
  waiting_.pop();
  apply(change);
}

void VcdWriter::apply(Change change) {
  if (change.time_ps > options_.start_ps) open_window();
  Signal& signal = signals_[change.signal];
  if (signal.value == change.value) return;
  signal.value = change.value;
  if (!window_open_) return;
  if (change.time_ps < written_time_ps_) ++late_changes_;
  write_clock_edges(change.time_ps);
  write_time(change.time_ps);
  write_value(signal);
}

void VcdWriter::advance(std::uint64_t time_ps) {
  if (finished_) return;
  while (!waiting_.empty() && waiting_.top().time_ps < time_ps) pop();
  declared_ = true;
  if (time_ps > options_.start_ps) open_window();
  stream_.flush();
}

void VcdWriter::finish(std::uint64_t end_ps) {
  if (finished_) return;
  while (!waiting_.empty()) pop();
  declared_ = true;
  open_window();
  const std::uint64_t last_ps = std::max(written_time_ps_, std::min(end_ps, options_.stop_ps));
  write_clock_edges(last_ps);
  write_time(last_ps);
  finished_ = true;
  stream_.flush();
}

void VcdWriter::open_window() {
  if (window_open_) return;
  window_open_ = true;
  for (Clock& clock : clocks_) {
    // The first edge after the start: edge n is at the whole picosecond n * period / 2.
    clock.next_edge = (2 * options_.start_ps + 1) / clock.period_ps + 1;
    signals_[clock.signal].value = clock.next_edge % 2;
  }
  write_header();
}

void VcdWriter::write_clock_edges(std::uint64_t until_ps) {
  for (;;) {
    Clock* next = nullptr;
    for (Clock& clock : clocks_) {
      if (next == nullptr || clock.edge_time_ps() < next->edge_time_ps()) next = &clock;
    }
    if (next == nullptr || next->edge_time_ps() > until_ps || truncated_) return;
    write_time(next->edge_time_ps());
    Signal& signal = signals_[next->signal];
    ++next->next_edge;
    signal.value = next->next_edge % 2;
    write_value(signal);
  }
}

void VcdWriter::write_header() {
  Scope root;
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    Scope* scope = &root;
    const std::string& name = signals_[i].name;
    std::size_t begin = 0;
    for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', begin)) {
      scope = &scope->scopes[name.substr(begin, dot - begin)];
      begin = dot + 1;
    }
    scope->signals[name.substr(begin)] = i;
  }

  write("$version hpim-vp $end\n$timescale 1 ps $end\n");
  for (const std::string& comment : comments_) write("$comment " + comment + " $end\n");
  const auto write_scope = [this](const auto& self, const Scope& scope) -> void {
    for (const auto& [name, index] : scope.signals) {
      const Signal& signal = signals_[index];
      const bool is_text = signal.kind == Kind::kNames || signal.kind == Kind::kOperation;
      std::string local = name;
      if (!is_text && signal.bits > 1) {
        local += " [";
        local += std::to_string(signal.bits - 1);
        local += ":0]";
      }
      write("$var " + std::string(is_text ? "string 1" : "wire " + std::to_string(signal.bits)) +
            " " + signal.identifier + " " + local + " $end\n");
    }
    for (const auto& [name, child] : scope.scopes) {
      write("$scope module " + without_spaces(name) + " $end\n");
      self(self, child);
      write("$upscope $end\n");
    }
  };
  write_scope(write_scope, root);

  written_time_ps_ = options_.start_ps;
  write("$enddefinitions $end\n#" + std::to_string(written_time_ps_) + "\n$dumpvars\n");
  for (const Signal& signal : signals_) write_value(signal);
  write("$end\n");
}

void VcdWriter::write_time(std::uint64_t time_ps) {
  if (time_ps <= written_time_ps_) return;
  written_time_ps_ = time_ps;
  write("#" + std::to_string(time_ps) + "\n");
}

void VcdWriter::write_value(const Signal& signal) {
  const std::uint64_t value = signal.value;
  switch (signal.kind) {
    case Kind::kNames: {
      const bool named = value < signal.value_names.size();
      write("s" + (named ? signal.value_names[value] : std::to_string(value)) + " " +
            signal.identifier + "\n");
      return;
    }
    case Kind::kOperation:
      write("s" + operation_name(value) + " " + signal.identifier + "\n");
      return;
    case Kind::kVector:
    case Kind::kClock:
      break;
  }
  if (signal.bits == 1) {
    write((value & 1 ? "1" : "0") + signal.identifier + "\n");
    return;
  }
  std::string text = "b";
  for (unsigned bit = signal.bits; bit-- > 0;) {
    const bool one = (value >> bit & 1) != 0;
    if (one || text.size() > 1 || bit == 0) text += one ? '1' : '0';
  }
  write(text + " " + signal.identifier + "\n");
}

std::string VcdWriter::operation_name(std::uint64_t operation) const {
  if (operation == kIdle) return "-";
  if (operation == kNoOperation) return "other";
  if (operation < options_.operation_names.size()) {
    return without_spaces(options_.operation_names[operation]);
  }
  return std::to_string(operation);
}

void VcdWriter::write(const std::string& text) {
  if (truncated_) return;
  if (bytes_written_ + text.size() > options_.max_bytes) {
    truncated_ = true;
    stream_ << "$comment the waveform ends here: it has reached " << options_.max_bytes
            << " bytes $end\n";
    return;
  }
  bytes_written_ += text.size();
  stream_ << text;
}

}  // namespace hpimvp::output
