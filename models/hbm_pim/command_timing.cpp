#include "models/hbm_pim/command_timing.h"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "models/common/hash.h"

namespace hpimvp::hbm_pim {

namespace {

// Ready times of one instance: a power of two or nearly, so that its start is cheap to compute.
constexpr std::uint32_t kStride = 24;
constexpr std::uint32_t kUntil = kStride - 1;
static_assert(kUntil >= kDramCommands);

constexpr std::uint32_t index_of(DramCommand command) {
  return static_cast<std::uint32_t>(command);
}
constexpr std::uint32_t index_of(ConstraintLevel level) {
  return static_cast<std::uint32_t>(level);
}

// Which instances a command acts on besides the pseudo-channel: an index of levels_of()'s table.
enum class Scope : std::uint8_t { kPseudoChannel, kBank, kOperandGroup, kActivateGroup };

constexpr std::array<Scope, kDramCommands> make_scopes() {
  std::array<Scope, kDramCommands> scopes{};
  for (const DramCommand command :
       {DramCommand::kActivate, DramCommand::kPrecharge, DramCommand::kRead, DramCommand::kWrite,
        DramCommand::kRefreshBank, DramCommand::kCopyToBuffer, DramCommand::kCopyFromBuffer}) {
    scopes[index_of(command)] = Scope::kBank;
  }
  for (const DramCommand command : {DramCommand::kPrechargeBanks, DramCommand::kMac,
                                    DramCommand::kElementAdd, DramCommand::kElementMultiply}) {
    scopes[index_of(command)] = Scope::kOperandGroup;
  }
  scopes[index_of(DramCommand::kActivateBanks)] = Scope::kActivateGroup;
  return scopes;
}
constexpr std::array<Scope, kDramCommands> kScopes = make_scopes();

// The levels that a path of instances goes through; kCount behind its end.
constexpr std::uint32_t kPathLength = 4;
using PathLevels = std::array<ConstraintLevel, kPathLength>;

const PathLevels& levels_of(DramCommand command) {
  using enum ConstraintLevel;
  static constexpr PathLevels kLevels[] = {
      {kPseudoChannel, kCount, kCount, kCount},
      {kPseudoChannel, kStackId, kBankGroup, kBank},
      {kPseudoChannel, kOperandGroup, kCount, kCount},
      {kPseudoChannel, kOperandGroup, kActivateGroup, kCount},
  };
  return kLevels[static_cast<unsigned>(kScopes[index_of(command)])];
}

}  // namespace

struct CommandTiming::Table {
  // "A command `after` on the instance at this place of the path comes no earlier than `latency`
  // from now."
  struct Push {
    std::uint16_t place;
    std::uint16_t after;
    std::uint32_t latency;
  };
  // The same for all other instances of the level, whose ready times lie from `begin` to `end`.
  struct OtherPush {
    Push push;
    std::uint32_t begin;
    std::uint32_t end;
  };
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  // Of pushes: those on the pseudo-channel come first.
  struct PushRange {
    std::uint32_t begin = 0;
    std::uint32_t end_of_pseudo_channel = 0;
    std::uint32_t end = 0;
  };
  // A constraint that counts more than one command.
  struct Window {
    std::uint32_t level = 0;
    std::uint32_t before = 0;
    std::uint32_t latency = 0;
    std::uint32_t length = 0;
    std::uint32_t history = 0;  // of instance 0, in history_; `length` numbers for each instance
    std::vector<std::uint32_t> after;
  };
  // That a command counts for, on the instance at this place of its path.
  struct WindowUse {
    std::uint32_t window;
    std::uint32_t place;
  };

  DeviceDescription device;
  std::array<std::uint32_t, kConstraintLevels> first_instance{};
  std::array<std::uint32_t, kConstraintLevels> instances{};
  // By command.
  std::vector<Push> pushes;
  std::array<PushRange, kDramCommands> pushes_of{};
  std::vector<OtherPush> other_pushes;
  std::array<Range, kDramCommands> other_pushes_of{};
  std::vector<Window> windows;
  std::vector<WindowUse> window_uses;
  std::array<Range, kDramCommands> window_uses_of{};
  std::vector<BankPlace> bank_places;
  std::array<Cycle, kDramCommands> longest{};  // by command: how long it holds up anything
  std::vector<Cycle> history_latencies;        // by place in history_: of its window
  std::uint32_t all_instances = 0;
  std::uint32_t history_size = 0;

  Table(const DeviceDescription& description, std::string_view disabled);

  // Where the ready times of an instance begin.
  std::uint32_t begin_of(std::uint32_t level, std::uint32_t instance) const {
    return (first_instance[level] + instance) * kStride;
  }

 private:
  void lay_out_instances();
  void compile_pushes(std::string_view disabled);
  void compile_pushes(DramCommand command, std::uint32_t place, std::string_view disabled);
  void compile_windows(std::string_view disabled);
  void find_longest();
};

CommandTiming::Table::Table(const DeviceDescription& description, std::string_view disabled)
    : device(description) {
  if (!disabled.empty()) {
    bool found = false;
    for (const ConstraintRow& row : device.constraints) found |= row.name == disabled;
    if (!found) {
      throw std::invalid_argument(
          fmt::format("device {} has no constraint named {}", device.name, disabled));
    }
  }
  lay_out_instances();
  compile_pushes(disabled);
  compile_windows(disabled);
  find_longest();
}

void CommandTiming::Table::find_longest() {
  const auto note = [this](std::uint32_t before, Cycle latency) {
    for (std::uint32_t command = 0; command < kDramCommands; ++command) {
      if (before >> command & 1) longest[command] = std::max(longest[command], latency);
    }
  };
  for (const ConstraintRow& row : device.constraints) note(row.before, row.latency);
  for (const Window& window : windows) {
    history_latencies.resize(window.history + instances[window.level] * window.length,
                             window.latency);
  }
}

void CommandTiming::Table::lay_out_instances() {
  const DeviceOrganisation& organisation = device.organisation;
  for (std::uint32_t level = 0; level < kConstraintLevels; ++level) {
    instances[level] = instances_of(device, static_cast<ConstraintLevel>(level));
    first_instance[level] = all_instances;
    all_instances += instances[level];
  }
  for (std::uint32_t bank = 0; bank < organisation.banks(); ++bank) {
    const std::uint32_t group = bank / organisation.banks_per_group;
    const auto place = [this](ConstraintLevel level, std::uint32_t instance) {
      return begin_of(index_of(level), instance);
    };
    bank_places.push_back({place(ConstraintLevel::kStackId, group / organisation.bank_groups),
                           place(ConstraintLevel::kBankGroup, group),
                           place(ConstraintLevel::kBank, bank)});
  }
}

void CommandTiming::Table::compile_pushes(std::string_view disabled) {
  for (std::uint32_t number = 0; number < kDramCommands; ++number) {
    const auto command = static_cast<DramCommand>(number);
    pushes_of[number].begin = static_cast<std::uint32_t>(pushes.size());
    other_pushes_of[number].begin = static_cast<std::uint32_t>(other_pushes.size());
    for (std::uint32_t place = 0; place < kPathLength; ++place) {
      compile_pushes(command, place, disabled);
      if (place == 0) {
        pushes_of[number].end_of_pseudo_channel = static_cast<std::uint32_t>(pushes.size());
      }
    }
    pushes_of[number].end = static_cast<std::uint32_t>(pushes.size());
    other_pushes_of[number].end = static_cast<std::uint32_t>(other_pushes.size());
  }
}

void CommandTiming::Table::compile_pushes(DramCommand command, std::uint32_t place,
                                          std::string_view disabled) {
  const ConstraintLevel level = levels_of(command)[place];
  if (level == ConstraintLevel::kCount) return;
  // Of several rows about the same pair of commands only the longest counts.
  std::array<std::array<std::uint32_t, kDramCommands>, 2> longest{};  // on the same, on others
  for (const ConstraintRow& row : device.constraints) {
    if (row.name == disabled || row.window != 1 || row.level != level ||
        (row.before & command_bit(command)) == 0) {
      continue;
    }
    for (std::uint32_t after = 0; after < kDramCommands; ++after) {
      std::uint32_t& latency = longest[row.other_instances][after];
      if (row.after >> after & 1) latency = std::max(latency, row.latency);
    }
  }
  for (std::uint32_t after = 0; after < kDramCommands; ++after) {
    const auto push = [&](std::uint32_t latency) {
      return Push{static_cast<std::uint16_t>(place), static_cast<std::uint16_t>(after), latency};
    };
    if (longest[0][after] != 0) pushes.push_back(push(longest[0][after]));
    const std::uint32_t number = index_of(level);
    if (longest[1][after] != 0 && instances[number] > 1) {
      other_pushes.push_back(
          {push(longest[1][after]), begin_of(number, 0), begin_of(number, instances[number])});
    }
  }
}

void CommandTiming::Table::compile_windows(std::string_view disabled) {
  for (const ConstraintRow& row : device.constraints) {
    if (row.name == disabled || row.window == 1) continue;
    Window window{index_of(row.level), row.before, row.latency, row.window, history_size, {}};
    for (std::uint32_t after = 0; after < kDramCommands; ++after) {
      if (row.after >> after & 1) window.after.push_back(after);
    }
    history_size += instances[window.level] * row.window;
    windows.push_back(std::move(window));
  }
  for (std::uint32_t command = 0; command < kDramCommands; ++command) {
    window_uses_of[command].begin = static_cast<std::uint32_t>(window_uses.size());
    const auto& levels = levels_of(static_cast<DramCommand>(command));
    for (std::uint32_t i = 0; i < windows.size(); ++i) {
      if ((windows[i].before >> command & 1) == 0) continue;
      const auto place = std::find_if(levels.begin(), levels.end(), [&](ConstraintLevel level) {
        return index_of(level) == windows[i].level;
      });
      window_uses.push_back({i, static_cast<std::uint32_t>(place - levels.begin())});
    }
    window_uses_of[command].end = static_cast<std::uint32_t>(window_uses.size());
  }
}

CommandTiming::CommandTiming(const DeviceDescription& device, std::string_view disabled_constraint)
    : table_(std::make_shared<const Table>(device, disabled_constraint)),
      bank_places_(table_->bank_places.data()),
      ready_(std::size_t{table_->all_instances} * kStride, 0),
      history_(table_->history_size, 0),
      open_rows_(device.organisation.banks(), kNoRow),
      open_in_operand_group_(device.operand_groups(), 0),
      activate_group_open_(device.activate_groups(), 0) {}

inline CommandTiming::Path CommandTiming::path(DramCommand command,
                                               const CommandAddress& address) const {
  const Table& table = *table_;
  switch (kScopes[index_of(command)]) {
    case Scope::kBank: {
      const BankPlace& place = bank_places_[table.device.organisation.bank_index(address)];
      return {0, place.stack_id, place.bank_group, place.bank};
    }
    case Scope::kOperandGroup:
      return {0, table.begin_of(index_of(ConstraintLevel::kOperandGroup), address.bank), 0, 0};
    case Scope::kActivateGroup:
      return {0,
              table.begin_of(index_of(ConstraintLevel::kOperandGroup),
                             address.bank % table.device.pim.banks_per_unit),
              table.begin_of(index_of(ConstraintLevel::kActivateGroup), address.bank), 0};
    case Scope::kPseudoChannel:
      break;
  }
  return {0, 0, 0, 0};
}

CommandTiming::Cycle CommandTiming::earliest(DramCommand command,
                                             const CommandAddress& address) const {
  const Path path = this->path(command, address);
  const Cycle* ready = ready_.data() + index_of(command);
  return std::max(std::max(ready[path[0]], ready[path[1]]),
                  std::max(ready[path[2]], ready[path[3]]));
}

void CommandTiming::issue(DramCommand command, const CommandAddress& address, Cycle cycle) {
  const Table& table = *table_;
  const Path path = this->path(command, address);
  const std::uint32_t number = index_of(command);
  Cycle* const ready = ready_.data();
  const Cycle until = cycle + table.longest[number];
  for (const std::uint32_t instance : path) {
    ready[instance + kUntil] = std::max(ready[instance + kUntil], until);
  }
  const auto raise = [ready, cycle](std::uint32_t instance, const Table::Push& push) {
    Cycle& time = ready[instance + push.after];
    time = std::max(time, cycle + push.latency);
  };
  const Table::PushRange same = table.pushes_of[number];
  const Table::Push* push = table.pushes.data() + same.begin;
  const Table::Push* const end_of_pseudo_channel = table.pushes.data() + same.end_of_pseudo_channel;
  const Table::Push* const end = table.pushes.data() + same.end;
  for (; push != end_of_pseudo_channel; ++push) raise(0, *push);
  for (; push != end; ++push) raise(path[push->place], *push);
  const Table::Range others = table.other_pushes_of[number];
  for (std::uint32_t i = others.begin; i < others.end; ++i) {
    const Table::OtherPush& other = table.other_pushes[i];
    for (std::uint32_t instance = other.begin; instance < other.end; instance += kStride) {
      if (instance == path[other.push.place]) continue;
      raise(instance, other.push);
      ready[instance + kUntil] = std::max(ready[instance + kUntil], until);
    }
  }
  const Table::Range windows = table.window_uses_of[number];
  for (std::uint32_t i = windows.begin; i < windows.end; ++i) {
    const Table::WindowUse& use = table.window_uses[i];
    push_window(table.windows[use.window], path[use.place], cycle);
  }
  binds_until_ = std::max(binds_until_, until);
  change_rows(command, address);
}

template <typename Window>
void CommandTiming::push_window(const Window& window, std::uint32_t instance, Cycle cycle) {
  const std::uint32_t within = instance / kStride - table_->first_instance[window.level];
  Cycle* history = history_.data() + window.history + within * window.length;
  for (std::uint32_t i = window.length - 1; i > 0; --i) history[i] = history[i - 1];
  history[0] = cycle + 1;
  const Cycle oldest = history[window.length - 1];
  if (oldest == 0) return;
  for (const std::uint32_t after : window.after) {
    Cycle& ready = ready_[instance + after];
    ready = std::max(ready, oldest - 1 + window.latency);
  }
}

void CommandTiming::change_rows(DramCommand command, const CommandAddress& address) {
  const DeviceDescription& device = table_->device;
  switch (command) {
    case DramCommand::kActivate:
      open_rows_[device.organisation.bank_index(address)] = address.row;
      ++open_banks_;
      break;
    case DramCommand::kPrecharge:
      open_rows_[device.organisation.bank_index(address)] = kNoRow;
      --open_banks_;
      break;
    case DramCommand::kPrechargeAll:
      std::fill(open_rows_.begin(), open_rows_.end(), kNoRow);
      open_banks_ = 0;
      break;
    case DramCommand::kActivateBanks:
      open_group(address);
      break;
    case DramCommand::kPrechargeBanks:
      close_operand_group(address.bank);
      break;
    case DramCommand::kPimEnter:
      pim_mode_ = true;
      break;
    case DramCommand::kPimExit:
      pim_mode_ = false;
      break;
    case DramCommand::kPowerDownEnter:
      powered_down_ = true;
      break;
    case DramCommand::kPowerDownExit:
      powered_down_ = false;
      break;
    default:
      break;
  }
}

void CommandTiming::open_group(const CommandAddress& address) {
  const PimDescription& pim = table_->device.pim;
  const std::uint32_t operand_group = address.bank % pim.banks_per_unit;
  const std::uint32_t first = address.bank / pim.banks_per_unit * pim.banks_per_activate_group;
  for (std::uint32_t i = first; i < first + pim.banks_per_activate_group; ++i) {
    open_rows_[i * pim.banks_per_unit + operand_group] = address.row;
  }
  open_in_operand_group_[operand_group] += pim.banks_per_activate_group;
  activate_group_open_[address.bank] = 1;
  open_banks_ += pim.banks_per_activate_group;
}

void CommandTiming::close_operand_group(std::uint32_t operand_group) {
  const std::uint32_t step = table_->device.pim.banks_per_unit;
  for (std::uint32_t bank = operand_group; bank < open_rows_.size(); bank += step) {
    open_rows_[bank] = kNoRow;
  }
  for (std::uint32_t group = operand_group; group < activate_group_open_.size(); group += step) {
    activate_group_open_[group] = 0;
  }
  open_banks_ -= open_in_operand_group_[operand_group];
  open_in_operand_group_[operand_group] = 0;
}

bool CommandTiming::is_legal(DramCommand command, const CommandAddress& address) const {
  if (powered_down_) return command == DramCommand::kPowerDownExit;
  switch (command) {
    case DramCommand::kActivate:
    case DramCommand::kRefreshBank:
      return !pim_mode_ && open_row(address) == kNoRow;
    case DramCommand::kPrecharge:
    case DramCommand::kRead:
    case DramCommand::kWrite:
      return !pim_mode_ && open_row(address) != kNoRow;
    case DramCommand::kPrechargeAll:
    case DramCommand::kPowerDownEnter:
      return !pim_mode_;
    case DramCommand::kPowerDownExit:
      return false;
    case DramCommand::kRefresh:
      return open_banks_ == 0;
    case DramCommand::kPimEnter:
      return !pim_mode_ && open_banks_ == 0;
    case DramCommand::kPimExit:
      return pim_mode_ && open_banks_ == 0;
    case DramCommand::kActivateBanks:
      return pim_mode_ && activate_group_open_[address.bank] == 0;
    case DramCommand::kPrechargeBanks:
    case DramCommand::kWriteBuffer:
    case DramCommand::kWriteBias:
    case DramCommand::kReadResult:
      return pim_mode_;
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      return pim_mode_ && open_in_operand_group_[address.bank] == table_->device.units();
    case DramCommand::kCopyToBuffer:
    case DramCommand::kCopyFromBuffer:
      return pim_mode_ && open_row(address) != kNoRow;
    case DramCommand::kCount:
      break;
  }
  return false;
}

std::uint32_t CommandTiming::open_row(const CommandAddress& address) const {
  return open_rows_[table_->device.organisation.bank_index(address)];
}

void CommandTiming::shift(Cycle cycles) {
  for (Cycle& ready : ready_) ready += cycles;
  for (Cycle& issued : history_) {
    if (issued != 0) issued += cycles;
  }
  binds_until_ += cycles;
}

void CommandTiming::rebase(Cycle from, Cycle to) {
  for (std::size_t instance = 0; instance < ready_.size(); instance += kStride) {
    const auto begin = ready_.begin() + static_cast<std::ptrdiff_t>(instance);
    if (ready_[instance + kUntil] <= from) {
      std::fill_n(begin, kStride, 0);
      continue;
    }
    std::for_each_n(begin, kStride,
                    [&](Cycle& ready) { ready = ready > from ? ready - from + to : 0; });
  }
  for (Cycle& issued : history_) {
    issued = issued != 0 && issued + to > from ? issued + to - from : 0;
  }
  binds_until_ = binds_until_ > from ? binds_until_ - from + to : 0;
}

void CommandTiming::bindings(Cycle from, Cycle base, std::vector<Binding>& bindings) const {
  if (binds_until_ <= from) return;
  const auto relative = [base](Cycle cycle) { return static_cast<std::int64_t>(cycle - base); };
  for (std::uint32_t instance = 0; instance < ready_.size(); instance += kStride) {
    if (ready_[instance + kUntil] <= from) continue;
    for (std::uint32_t i = instance; i < instance + kDramCommands; ++i) {
      if (ready_[i] > from) bindings.push_back({i, relative(ready_[i])});
    }
  }
  const auto first = static_cast<std::uint32_t>(ready_.size());
  for (std::uint32_t i = 0; i < history_.size(); ++i) {
    const bool binds = history_[i] != 0 && history_[i] - 1 + table_->history_latencies[i] > from;
    if (binds) bindings.push_back({first + i, relative(history_[i])});
  }
}

void CommandTiming::resume(std::span<const Binding> bindings, Cycle base, Cycle last) {
  binds_until_ = last;
  for (const Binding& binding : bindings) {
    const Cycle time = base + static_cast<Cycle>(binding.time);
    if (binding.number < ready_.size()) {
      ready_[binding.number] = time;
      Cycle& until = ready_[binding.number / kStride * kStride + kUntil];
      until = std::max(until, time);
      binds_until_ = std::max(binds_until_, time);
    } else {
      const std::uint32_t place = binding.number - static_cast<std::uint32_t>(ready_.size());
      history_[place] = time;
      binds_until_ = std::max(binds_until_, time - 1 + table_->history_latencies[place]);
    }
  }
}

bool CommandTiming::refreshes_fit(Cycle interval) const {
  return table_->longest[index_of(DramCommand::kRefresh)] <= interval;
}

bool CommandTiming::same_from(Cycle now, const CommandTiming& other, Cycle other_now) const {
  if (open_rows_ != other.open_rows_ || pim_mode_ != other.pim_mode_ ||
      powered_down_ != other.powered_down_) {
    return false;
  }
  const auto ahead = [](Cycle cycle, Cycle from) { return cycle > from ? cycle - from : 0; };
  for (std::size_t instance = 0; instance < ready_.size(); instance += kStride) {
    const bool binds = ready_[instance + kUntil] > now;
    const bool other_binds = other.ready_[instance + kUntil] > other_now;
    if (!binds && !other_binds) continue;
    for (std::size_t i = instance; i < instance + kDramCommands; ++i) {
      if (ahead(ready_[i], now) != ahead(other.ready_[i], other_now)) return false;
    }
  }
  for (const Table::Window& window : table_->windows) {
    const std::uint32_t end = window.history + table_->instances[window.level] * window.length;
    for (std::uint32_t i = window.history; i < end; ++i) {
      const auto binds_until = [&window](Cycle issued) {
        return issued == 0 ? 0 : issued - 1 + window.latency;
      };
      if (ahead(binds_until(history_[i]), now) !=
          ahead(binds_until(other.history_[i]), other_now)) {
        return false;
      }
    }
  }
  return true;
}

std::uint64_t CommandTiming::hash_from(Cycle now) const {
  std::uint64_t hash = common::kHashStart;
  for (std::size_t instance = 0; instance < ready_.size(); instance += kStride) {
    if (ready_[instance + kUntil] <= now) continue;
    for (std::size_t i = instance; i < instance + kDramCommands; ++i) {
      if (ready_[i] > now) hash = common::hash_with(hash, i << 40 ^ (ready_[i] - now));
    }
  }
  return hash;
}

const DeviceDescription& CommandTiming::device() const {
  return table_->device;
}

}  // namespace hpimvp::hbm_pim
