#include "models/hbm_pim/command_timing.h"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

namespace hpimvp::hbm_pim {

namespace {

// Ready times of one instance: a power of two or nearly, so that its start is cheap to compute.
constexpr std::uint32_t kStride = 24;
static_assert(kStride >= kDramCommands);

constexpr std::uint32_t index_of(DramCommand command) {
  return static_cast<std::uint32_t>(command);
}
constexpr std::uint32_t index_of(ConstraintLevel level) {
  return static_cast<std::uint32_t>(level);
}

// Which instances a command acts on besides the pseudo-channel.
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

}  // namespace

struct CommandTiming::Table {
  // "A command `after` on this instance comes no earlier than `latency` from now."
  struct Push {
    std::uint32_t after;
    std::uint32_t latency;
  };
  struct Range {
    std::uint32_t begin = 0;
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

  DeviceDescription device;
  std::array<std::uint32_t, kConstraintLevels> first_instance{};
  std::array<std::uint32_t, kConstraintLevels> instances{};
  std::vector<Push> pushes;
  // By level and command.
  std::array<std::array<Range, kDramCommands>, kConstraintLevels> same{};
  std::array<std::array<Range, kDramCommands>, kConstraintLevels> other{};
  std::vector<Window> windows;
  std::array<Range, kDramCommands> windows_of{};  // into window_list
  std::vector<std::uint32_t> window_list;
  std::vector<BankPlace> bank_places;
  std::uint32_t all_instances = 0;
  std::uint32_t history_size = 0;

  Table(const DeviceDescription& description, std::string_view disabled);

 private:
  void lay_out_instances();
  void compile_pushes(std::string_view disabled);
  void compile_windows(std::string_view disabled);
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
}

void CommandTiming::Table::lay_out_instances() {
  const DeviceOrganisation& organisation = device.organisation;
  instances[index_of(ConstraintLevel::kPseudoChannel)] = 1;
  instances[index_of(ConstraintLevel::kStackId)] = organisation.stack_ids;
  instances[index_of(ConstraintLevel::kBankGroup)] =
      organisation.stack_ids * organisation.bank_groups;
  instances[index_of(ConstraintLevel::kBank)] = organisation.banks();
  instances[index_of(ConstraintLevel::kOperandGroup)] = device.operand_groups();
  instances[index_of(ConstraintLevel::kActivateGroup)] = device.activate_groups();
  for (std::uint32_t level = 0; level < kConstraintLevels; ++level) {
    first_instance[level] = all_instances;
    all_instances += instances[level];
  }
  for (std::uint32_t bank = 0; bank < organisation.banks(); ++bank) {
    const std::uint32_t group = bank / organisation.banks_per_group;
    const auto place = [this](ConstraintLevel level, std::uint32_t instance) {
      return (first_instance[index_of(level)] + instance) * kStride;
    };
    bank_places.push_back({place(ConstraintLevel::kStackId, group / organisation.bank_groups),
                           place(ConstraintLevel::kBankGroup, group),
                           place(ConstraintLevel::kBank, bank)});
  }
}

void CommandTiming::Table::compile_pushes(std::string_view disabled) {
  for (std::uint32_t level = 0; level < kConstraintLevels; ++level) {
    for (std::uint32_t command = 0; command < kDramCommands; ++command) {
      for (const bool others : {false, true}) {
        // Of several rows about the same pair of commands only the longest counts.
        std::array<std::uint32_t, kDramCommands> longest{};
        for (const ConstraintRow& row : device.constraints) {
          if (row.name == disabled || row.window != 1 || index_of(row.level) != level ||
              row.other_instances != others || (row.before >> command & 1) == 0) {
            continue;
          }
          for (std::uint32_t after = 0; after < kDramCommands; ++after) {
            if (row.after >> after & 1) longest[after] = std::max(longest[after], row.latency);
          }
        }
        Range& range = (others ? other : same)[level][command];
        range.begin = static_cast<std::uint32_t>(pushes.size());
        for (std::uint32_t after = 0; after < kDramCommands; ++after) {
          if (longest[after] != 0) pushes.push_back({after, longest[after]});
        }
        range.end = static_cast<std::uint32_t>(pushes.size());
      }
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
    windows_of[command].begin = static_cast<std::uint32_t>(window_list.size());
    for (std::uint32_t i = 0; i < windows.size(); ++i) {
      if (windows[i].before >> command & 1) window_list.push_back(i);
    }
    windows_of[command].end = static_cast<std::uint32_t>(window_list.size());
  }
}

// The instances that a command acts on, one a level, as numbers of all instances.
struct CommandTiming::Path {
  std::array<std::uint32_t, 4> instance;
  std::array<std::uint32_t, 4> level;
  std::uint32_t length;
};

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
  const DeviceOrganisation& organisation = table.device.organisation;
  const auto at = [&table](ConstraintLevel level, std::uint32_t instance) {
    return table.first_instance[index_of(level)] + instance;
  };
  switch (kScopes[index_of(command)]) {
    case Scope::kBank: {
      const std::uint32_t group = address.stack_id * organisation.bank_groups + address.bank_group;
      return {{0, at(ConstraintLevel::kStackId, address.stack_id),
               at(ConstraintLevel::kBankGroup, group),
               at(ConstraintLevel::kBank, group * organisation.banks_per_group + address.bank)},
              {index_of(ConstraintLevel::kPseudoChannel), index_of(ConstraintLevel::kStackId),
               index_of(ConstraintLevel::kBankGroup), index_of(ConstraintLevel::kBank)},
              4};
    }
    case Scope::kOperandGroup:
      return {{0, at(ConstraintLevel::kOperandGroup, address.bank), 0, 0},
              {index_of(ConstraintLevel::kPseudoChannel), index_of(ConstraintLevel::kOperandGroup),
               0, 0},
              2};
    case Scope::kActivateGroup:
      return {
          {0, at(ConstraintLevel::kOperandGroup, address.bank % table.device.pim.banks_per_unit),
           at(ConstraintLevel::kActivateGroup, address.bank), 0},
          {index_of(ConstraintLevel::kPseudoChannel), index_of(ConstraintLevel::kOperandGroup),
           index_of(ConstraintLevel::kActivateGroup), 0},
          3};
    case Scope::kPseudoChannel:
      break;
  }
  return {{0, 0, 0, 0}, {index_of(ConstraintLevel::kPseudoChannel), 0, 0, 0}, 1};
}

CommandTiming::Cycle CommandTiming::earliest(DramCommand command,
                                             const CommandAddress& address) const {
  const Path path = this->path(command, address);
  const Cycle* ready = ready_.data() + index_of(command);
  Cycle latest = ready[0];
  for (std::uint32_t i = 1; i < path.length; ++i) {
    latest = std::max(latest, ready[path.instance[i] * kStride]);
  }
  return latest;
}

void CommandTiming::issue(DramCommand command, const CommandAddress& address, Cycle cycle) {
  const Table& table = *table_;
  const Path path = this->path(command, address);
  const std::uint32_t number = index_of(command);
  for (std::uint32_t i = 0; i < path.length; ++i) {
    const Table::Range range = table.same[path.level[i]][number];
    Cycle* ready = ready_.data() + path.instance[i] * kStride;
    for (std::uint32_t entry = range.begin; entry < range.end; ++entry) {
      const Table::Push push = table.pushes[entry];
      ready[push.after] = std::max(ready[push.after], cycle + push.latency);
    }
    const Table::Range others = table.other[path.level[i]][number];
    if (others.begin != others.end) push_to_others(path.level[i], path.instance[i], others, cycle);
  }
  const Table::Range windows = table.windows_of[number];
  for (std::uint32_t i = windows.begin; i < windows.end; ++i) {
    push_window(table.windows[table.window_list[i]], path, cycle);
  }
  change_rows(command, address);
}

template <typename Range>
void CommandTiming::push_to_others(std::uint32_t level, std::uint32_t instance, const Range& range,
                                   Cycle cycle) {
  const Table& table = *table_;
  const std::uint32_t first = table.first_instance[level];
  for (std::uint32_t other = first; other < first + table.instances[level]; ++other) {
    if (other == instance) continue;
    Cycle* ready = ready_.data() + other * kStride;
    for (std::uint32_t entry = range.begin; entry < range.end; ++entry) {
      const Table::Push push = table.pushes[entry];
      ready[push.after] = std::max(ready[push.after], cycle + push.latency);
    }
  }
}

template <typename Window>
void CommandTiming::push_window(const Window& window, const Path& path, Cycle cycle) {
  std::uint32_t instance = 0;
  for (std::uint32_t i = 0; i < path.length; ++i) {
    if (path.level[i] == window.level) instance = path.instance[i];
  }
  const std::uint32_t within = instance - table_->first_instance[window.level];
  Cycle* history = history_.data() + window.history + within * window.length;
  for (std::uint32_t i = window.length - 1; i > 0; --i) history[i] = history[i - 1];
  history[0] = cycle + 1;
  const Cycle oldest = history[window.length - 1];
  if (oldest == 0) return;
  Cycle* ready = ready_.data() + instance * kStride;
  for (const std::uint32_t after : window.after) {
    ready[after] = std::max(ready[after], oldest - 1 + window.latency);
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
}

void CommandTiming::rebase(Cycle from, Cycle to) {
  for (Cycle& ready : ready_) ready = ready > from ? ready - from + to : 0;
  for (Cycle& issued : history_) {
    issued = issued != 0 && issued + to > from ? issued + to - from : 0;
  }
}

bool CommandTiming::same_from(Cycle now, const CommandTiming& other, Cycle other_now) const {
  if (open_rows_ != other.open_rows_ || pim_mode_ != other.pim_mode_ ||
      powered_down_ != other.powered_down_) {
    return false;
  }
  const auto ahead = [](Cycle cycle, Cycle from) { return cycle > from ? cycle - from : 0; };
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    if (ahead(ready_[i], now) != ahead(other.ready_[i], other_now)) return false;
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

const DeviceDescription& CommandTiming::device() const {
  return table_->device;
}

}  // namespace hpimvp::hbm_pim
