#include "platform/compiler/pim_attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "models/hbm_pim/weight_layout.h"
#include "platform/compiler/engine_mapping.h"

namespace hpimvp::compiler {
namespace {

using hbm_pim::Slicing;
using sram_pim::Label;
using sram_pim::Program;
using enum sram_pim::Opcode;

constexpr unsigned kSyncTransfer = static_cast<unsigned>(sram_pim::Unit::kTransfer);
constexpr unsigned kSyncVector = static_cast<unsigned>(sram_pim::Unit::kVector);
constexpr unsigned kSyncPim = static_cast<unsigned>(sram_pim::Unit::kPim);
constexpr unsigned kSyncTranspose = static_cast<unsigned>(sram_pim::Unit::kTranspose);
constexpr std::uint32_t kElementBytes = hbm_pim::kBytesPerElement;

std::uint64_t stripe_bytes(const hbm_pim::DeviceOrganisation& organisation) {
  return organisation.row_bytes() * organisation.banks() * organisation.pseudo_channels();
}

// Outputs that stand side by side: one unit of a pseudo-channel each.
std::uint32_t value_slots(const ModelConfig& config, const MachineShape& machine) {
  return hbm_pim::divide_up(config.head_dim, hbm_pim::outputs_per_slot(machine.device));
}

enum Register : unsigned {
  kPosition = 1,  // argument
  kLayerOffset,   // argument
  kRopeSource,    // argument
  kLatest,        // argument

  kUnit = 5,  // of work: a head, or a slot of a head's values
  kUnits,
  kTileStride,
  kHeadBytes,
  kHeadDim,
  kStripe,   // bytes of a row of all banks
  kColumns,  // of a row
  kStacks,
  kPlace,  // what is the same in the addresses of all heads
  kAt,     // a burst's number in its bank, from the matrix's first row on
  kShare,  // bursts of an output in a bank
  kOwn,    // which of them
  kSlot,
  kSlots,
  kHead,
  kBase,
  kPiece,
  kPieces,
  kLocal,
  kBytes,
  kSource,
  kA,
  kB,
  kC,
  kD,
  kE,
  kBlock,  // of the latest values: in a stack, less the head's place
};
static_assert(kBlock < sram_pim::kScalarRegisters);

class PimAttentionEmitter {
 public:
  PimAttentionEmitter(Program& program, const ModelConfig& config, const MachineShape& machine,
                      const TileMemory& memory, const PimAttention& attention,
                      const PimAttentionTables& tables)
      : program_(program),
        config_(config),
        machine_(machine),
        memory_(memory),
        attention_(attention),
        tables_(tables),
        organisation_(machine.device.organisation),
        per_slot_(hbm_pim::outputs_per_slot(machine.device)),
        block_tokens_(hbm_pim::elements_per_chunk(machine.device)),
        head_bytes_(config.head_dim * kElementBytes),
        home_(machine.tiles.memory_base + std::uint64_t{kHomeTile} * machine.tiles.memory_stride) {}

  void emit_keys() {
    begin(config_.kv_heads);
    if (config_.has_rope()) pull_rope_row();
    load_geometry();
    // The position is output kPosition: slot / pseudo-channels in pseudo-channel slot %
    // pseudo-channels.
    program_.load_constant(kA, per_slot_);
    program_.emit(kDivu, {kSlot, kPosition, kA});
    program_.emit(kRemu, {kB, kPosition, kA});
    add_entry(kPlace, kLayerOffset, tables_.units, kB);
    program_.load_constant(kA, organisation_.pseudo_channels());
    program_.emit(kRemu, {kB, kSlot, kA});
    add_entry(kPlace, kPlace, tables_.pseudo_channels, kB);
    program_.emit(kDivu, {kAt, kSlot, kA});
    multiply(kAt, kAt, chunks_of_key());
    program_.load_constant(kLocal, memory_.local_key);
    for_each_unit("key_head", [&] {
      element_address(kSource, home_ + memory_.key, kUnit, head_bytes_);
      // The last head's rotation may still read what the transfer is about to overwrite.
      sync(kSyncVector);
      program_.emit(kXlda, {kLocal, kSource, kHeadBytes});
      sync(kSyncTransfer);
      if (config_.has_rope()) {
        rotate(kLocal);
        sync(kSyncVector);
      }
      program_.move(kHead, kUnit);
      locate_head(0);
      store_key();
    });
    program_.emit(kHalt);
  }

  void emit_queries() {
    begin(config_.heads);
    pull_rope_row();
    program_.load_constant(kLocal, memory_.local_query);
    for_each_unit("query_head", [&] {
      element_address(kSource, home_ + memory_.query, kUnit, head_bytes_);
      program_.emit(kXlda, {kLocal, kSource, kHeadBytes});
      sync(kSyncTransfer);
      rotate(kLocal);
      program_.emit(kAdd, {kLocal, kLocal, kHeadBytes});
    });
    program_.emit(kHalt);
  }

  // In FP32 but for the scores themselves and the results. Then what the latest values contribute.
  void emit_softmax() {
    enum : unsigned { kLength = kAt, kScores = kPiece, kScale = kPieces, kScalar = kShare };
    begin(config_.heads);
    load_geometry();
    program_.emit(kAddi, {kLength, kPosition, 1});
    program_.load_constant(kLocal, memory_.weights);
    program_.load_constant(kScores, memory_.scores);
    program_.load_constant(kScale, memory_.constants + static_cast<std::uint32_t>(
                                                           offsetof(TileConstants, score_scale)));
    program_.load_constant(kScalar, memory_.records);
    program_.load_constant(kOwn, memory_.latest_sums);
    program_.load_constant(kA, block_tokens_);
    program_.emit(kDivu, {kB, kPosition, kA});
    program_.emit(kRemu, {kSlot, kPosition, kA});
    locate_block(kB);
    program_.emit(kSub, {kSlots, kPosition, kSlot});  // the block's first position
    program_.emit(kAdd, {kSlots, kSlots, kSlots});
    program_.emit(kAddi, {kSlot, kSlot, 1});  // positions in the block
    for_each_unit("softmax_head", [&] {
      fetch_latest();
      program_.emit(kVcHtoS, {kScores, kLocal, kLength});
      program_.emit(kVsMuls, {kScores, kScores, kScale, kLength});
      program_.emit(kVrMaxS, {kScalar, kScores, kLength});
      program_.emit(kVsExps, {kScores, kScores, kScalar, kLength});
      program_.emit(kVrSumS, {kScalar, kScores, kLength});
      program_.emit(kSsRecip, {kScalar, kScalar});
      program_.emit(kVcStoHMuls, {kLocal, kScores, kScalar, kLength});
      weigh_latest();
      program_.load_constant(kA, memory_.weight_row_bytes);
      program_.emit(kAdd, {kLocal, kLocal, kA});
      program_.emit(kAdd, {kOwn, kOwn, kHeadBytes});
    });
    program_.emit(kHalt);
  }

  // The new values to the block of the latest ones. When one begins, the one before it goes where
  // GEMVs find it.
  void emit_store_values() {
    begin(config_.kv_heads);
    load_geometry();
    program_.load_constant(kA, block_tokens_);
    program_.emit(kDivu, {kOwn, kPosition, kA});
    program_.emit(kRemu, {kSlot, kPosition, kA});
    locate_block(kOwn);
    program_.emit(kMul, {kPlace, kSlot, kHeadBytes});
    program_.emit(kAdd, {kPlace, kPlace, kBlock});
    program_.load_constant(kLocal, memory_.local_value);
    for_each_unit("value_head", [&] {
      element_address(kSource, home_ + memory_.value, kUnit, head_bytes_);
      program_.emit(kXlda, {kLocal, kSource, kHeadBytes});
      program_.move(kHead, kUnit);
      locate_latest(kPlace);
      program_.emit(kXsta, {kLocal, kBase, kHeadBytes});
    });
    const Label transpose = program_.label();
    const Label done = program_.label("stored");
    program_.emit(kBne, {kSlot, 0, done});
    program_.emit(kBne, {kOwn, 0, transpose});
    program_.bind(done);
    program_.emit(kHalt);
    program_.bind(transpose);
    store_block();
    program_.emit(kHalt);
  }

 private:
  void begin(std::uint32_t units) {
    program_.emit(kTileId, {kUnit});
    program_.emit(kTiles, {kTileStride});
    program_.load_constant(kUnits, units);
    program_.load_constant(kHeadBytes, head_bytes_);
    program_.load_constant(kHeadDim, config_.head_dim);
  }

  // The units of work tile, tile + tiles, ...
  template <typename Body>
  void for_each_unit(const char* name, Body body) {
    const Label loop = program_.label(name);
    const Label done = program_.label("done");
    program_.bind(loop);
    program_.emit(kBgeu, {kUnit, kUnits, done});
    body();
    program_.emit(kAdd, {kUnit, kUnit, kTileStride});
    program_.jump(loop);
    program_.bind(done);
  }

  void load_geometry() {
    program_.load_constant(kStripe, stripe_bytes(organisation_));
    program_.load_constant(kColumns, organisation_.columns);
    program_.load_constant(kStacks, attention_.stacks);
  }

  void pull_rope_row() {
    program_.load_constant(kA, memory_.rope_row);
    program_.load_constant(kBytes, std::uint64_t{config_.head_dim} * 4);
    program_.emit(kXlda, {kA, kRopeSource, kBytes});
  }

  // rd = rs * constant
  void multiply(unsigned rd, unsigned rs, std::uint64_t constant) {
    program_.load_constant(kD, constant);
    program_.emit(kMul, {rd, rs, kD});
  }
  // rd = base + rs * stride
  void element_address(unsigned rd, std::uint64_t base, unsigned rs, std::uint64_t stride) {
    multiply(rd, rs, stride);
    program_.load_constant(kD, base);
    program_.emit(kAdd, {rd, rd, kD});
  }
  // rd = rs + entry `index` of a table
  void add_entry(unsigned rd, unsigned rs, std::uint32_t table, unsigned index) {
    element_address(kE, table, index, 8);
    program_.emit(kLdd, {kE, 0, kE});
    program_.emit(kAdd, {rd, rs, kE});
  }
  void sync(unsigned mask) { program_.emit(kSync, {mask}); }

  void rotate(unsigned address) {
    program_.load_constant(kB, memory_.rope_row);
    program_.emit(kVRope, {address, address, kB, kHeadDim});
  }

  // kBase = kPlace in the matrix of KV head kHead that begins `rows` rows into the head's.
  void locate_head(std::uint32_t rows) {
    program_.emit(kRemu, {kA, kHead, kStacks});
    add_entry(kBase, kPlace, tables_.stacks, kA);
    program_.emit(kDivu, {kA, kHead, kStacks});
    multiply(kA, kA, attention_.key_rows + attention_.value_rows);
    program_.load_constant(kB, rows);
    program_.emit(kAdd, {kA, kA, kB});
    program_.emit(kMul, {kA, kA, kStripe});
    program_.emit(kAdd, {kBase, kBase, kA});
  }

  // rd = kBase with the row and the column of burst `at` of a bank, which is another register
  void locate_burst(unsigned rd, unsigned at) {
    program_.emit(kRemu, {kA, at, kColumns});
    add_entry(rd, kBase, tables_.columns, kA);
    program_.emit(kDivu, {kA, at, kColumns});
    program_.emit(kMul, {kA, kA, kStripe});
    program_.emit(kAdd, {rd, rd, kA});
  }

  std::uint32_t chunks_of_key() const {
    return hbm_pim::chunks_of_inputs(machine_.device, config_.head_dim);
  }

  // Chunks of a key that always stand together: aligned runs of columns that follow each other in
  // memory.
  std::uint32_t chunks_of_piece() const {
    const hbm_pim::StackMap map(machine_.device,
                                hbm_pim::BitFieldMapping(organisation_, machine_.mapping));
    std::uint32_t together = 1;
    while (together < organisation_.columns &&
           map.of_column(together) == std::uint64_t{together} * organisation_.burst_bytes) {
      ++together;
    }
    return std::gcd(std::gcd(chunks_of_key(), organisation_.columns), together);
  }

  void store_key() {
    const std::uint32_t chunks = chunks_of_piece();
    const std::uint32_t bytes = chunks * organisation_.burst_bytes;
    const Label loop = program_.label("key_piece");
    program_.load_constant(kPiece, 0);
    program_.load_constant(kPieces, chunks_of_key());
    program_.move(kC, kLocal);
    program_.move(kB, kHeadBytes);  // still to be stored
    program_.bind(loop);
    program_.emit(kAdd, {kSlot, kAt, kPiece});
    locate_burst(kSource, kSlot);
    program_.load_constant(kBytes, bytes);
    program_.emit(kMinu, {kA, kBytes, kB});
    program_.emit(kXsta, {kC, kSource, kA});
    program_.emit(kAdd, {kC, kC, kBytes});
    program_.emit(kSub, {kB, kB, kA});
    program_.emit(kAddi, {kPiece, kPiece, chunks});
    program_.emit(kBltu, {kPiece, kPieces, loop});
  }

  bool by_columns() const { return attention_.values.slicing == Slicing::kColumns; }
  std::uint32_t chunks_of_context() const {
    return hbm_pim::chunks_of_inputs(machine_.device, attention_.context);
  }

  // From chunk kOwn of an output: its pseudo-channel into kPlace, its place in that one's run, and
  // the run's length.
  void locate_share() {
    const std::uint32_t chunks = chunks_of_context();
    const std::uint32_t pseudo_channels = organisation_.pseudo_channels();
    const std::uint32_t size = chunks / pseudo_channels;
    const std::uint32_t larger = chunks % pseudo_channels;
    const Label found = program_.label();
    program_.load_constant(kShare, size + 1);
    program_.emit(kDivu, {kB, kOwn, kShare});
    program_.emit(kRemu, {kC, kOwn, kShare});
    if (size > 0) {
      program_.load_constant(kA, larger);
      program_.emit(kBltu, {kB, kA, found});
      program_.load_constant(kShare, size);
      program_.load_constant(kD, std::uint64_t{larger} * (size + 1));
      program_.emit(kSub, {kC, kOwn, kD});
      program_.emit(kDivu, {kB, kC, kShare});
      program_.emit(kAdd, {kB, kB, kA});
      program_.emit(kRemu, {kC, kC, kShare});
    }
    program_.bind(found);
    program_.move(kOwn, kC);
    add_entry(kPlace, kPlace, tables_.pseudo_channels, kB);
  }

  // kSource = where the position's value of the first output of slot kSlot stands.
  void locate_slot() {
    if (by_columns()) {
      program_.emit(kMul, {kAt, kSlot, kShare});
    } else {
      program_.load_constant(kA, organisation_.pseudo_channels());
      program_.emit(kRemu, {kB, kSlot, kA});
      add_entry(kBase, kBase, tables_.pseudo_channels, kB);
      program_.emit(kDivu, {kAt, kSlot, kA});
      multiply(kAt, kAt, chunks_of_context());
    }
    program_.emit(kAdd, {kAt, kAt, kOwn});
    locate_burst(kSource, kAt);
  }

  // kBlock = where block `number` of the latest values stands; two blocks take turns.
  void locate_block(unsigned number) {
    program_.load_constant(kA, 1);
    program_.emit(kAnd, {kA, number, kA});
    multiply(kA, kA, block_bytes());
    program_.emit(kAdd, {kBlock, kLatest, kA});
  }
  std::uint64_t block_bytes() const { return std::uint64_t{block_tokens_} * head_bytes_; }

  // kBase = place of KV head kHead's latest values
  void locate_latest(unsigned place) {
    program_.emit(kRemu, {kA, kHead, kStacks});
    add_entry(kBase, place, tables_.stacks, kA);
    program_.emit(kDivu, {kA, kHead, kStacks});
    multiply(kA, kA, 2 * block_bytes());
    program_.emit(kAdd, {kBase, kBase, kA});
  }

  // Starts the transfer of the block's kSlot positions, for query head kUnit.
  void fetch_latest() {
    program_.load_constant(kA, config_.heads_per_kv_head());
    program_.emit(kDivu, {kHead, kUnit, kA});
    locate_latest(kBlock);
    program_.load_constant(kC, memory_.latest_values);
    program_.emit(kMul, {kBytes, kSlot, kHeadBytes});
    sync(kSyncPim);  // may still read the values of the head before
    program_.emit(kXlda, {kC, kBase, kBytes});
  }

  // The sum of these, weighted by the results from byte kSlots of row kLocal on, to kOwn.
  void weigh_latest() {
    program_.emit(kPimCfg, {kSlot, kHeadDim, kHeadBytes});
    program_.emit(kAdd, {kA, kLocal, kSlots});
    program_.load_constant(kB, memory_.latest_scratch);
    sync(kSyncTransfer | kSyncVector);
    program_.emit(kPimSvz, {kB, kA, kC});
    sync(kSyncPim);
    program_.emit(kVcStoH, {kOwn, kB, kHeadDim});
  }

  // Block kOwn - 1, in slots of KV heads: transposed, it is a burst of each of a slot's outputs.
  void store_block() {
    const std::uint32_t slots = value_slots(config_, machine_);
    program_.emit(kTileId, {kUnit});
    program_.load_constant(kUnits, config_.kv_heads * slots);
    program_.load_constant(kSlots, slots);
    program_.emit(kAddi, {kOwn, kOwn, -1});
    locate_block(kOwn);
    program_.move(kPlace, kLayerOffset);
    if (by_columns()) locate_share();
    for_each_unit("value_slot", [&] {
      program_.emit(kDivu, {kHead, kUnit, kSlots});
      program_.emit(kRemu, {kSlot, kUnit, kSlots});
      locate_latest(kBlock);
      program_.load_constant(kLocal, memory_.latest_values);
      program_.load_constant(kBytes, block_bytes());
      program_.emit(kXlda, {kLocal, kBase, kBytes});
      locate_head(attention_.key_rows);
      locate_slot();
      sync(kSyncTransfer);
      store_slot();
    });
  }

  // Writes the values of slot kSlot in the block at kLocal: kSource and a unit's place is where.
  void store_slot() {
    enum : unsigned { kEntry = kPiece, kEntryEnd = kPieces, kBurst = kC };
    multiply(kA, kSlot, per_slot_);
    program_.emit(kSub, {kB, kHeadDim, kA});
    program_.load_constant(kD, per_slot_);
    program_.emit(kMinu, {kB, kB, kD});  // outputs of the slot
    program_.emit(kAdd, {kA, kA, kA});
    program_.emit(kAdd, {kA, kA, kLocal});
    program_.load_constant(kD, block_tokens_);
    program_.emit(kTrnCfg, {kD, kB, kHeadBytes});
    program_.load_constant(kBytes, organisation_.burst_bytes);
    program_.load_constant(kBurst, memory_.latest_bursts);
    program_.emit(kTrnH, {kBurst, kA, kBytes});
    program_.load_constant(kEntry, tables_.units);
    multiply(kEntryEnd, kB, 8);
    program_.emit(kAdd, {kEntryEnd, kEntryEnd, kEntry});
    sync(kSyncTranspose);
    const Label loop = program_.label("burst");
    program_.bind(loop);
    program_.emit(kLdd, {kA, 0, kEntry});
    program_.emit(kAdd, {kA, kA, kSource});
    program_.emit(kXsta, {kBurst, kA, kBytes});
    program_.emit(kAdd, {kBurst, kBurst, kBytes});
    program_.emit(kAddi, {kEntry, kEntry, 8});
    program_.emit(kBltu, {kEntry, kEntryEnd, loop});
  }

  Program& program_;
  const ModelConfig& config_;
  const MachineShape& machine_;
  const TileMemory& memory_;
  const PimAttention& attention_;
  const PimAttentionTables& tables_;
  const hbm_pim::DeviceOrganisation& organisation_;
  std::uint32_t per_slot_;
  std::uint32_t block_tokens_;  // latest values, of as many positions as a burst holds
  std::uint32_t head_bytes_;
  std::uint64_t home_;
};

}  // namespace

std::string refuse_pim_attention(const ModelConfig& config, const MachineShape& machine) {
  if (hbm_pim::is_samsung(machine.device)) {
    return "tiles cannot store keys and values in the layout of Samsung's programming model";
  }
  const auto stacks = static_cast<std::uint32_t>(machine.stacks.size());
  const std::uint32_t gemvs =
      hbm_pim::divide_up(config.kv_heads, stacks) * config.heads_per_kv_head();
  if (gemvs > plan::kMaxDeviceDescriptors) {
    return fmt::format("{} query heads a stack are more than the {} that an operator may have",
                       gemvs, plan::kMaxDeviceDescriptors);
  }
  return {};
}

PimAttention shape_pim_attention(const ModelConfig& config, const MachineShape& machine,
                                 std::uint32_t context) {
  PimAttention attention;
  attention.stacks = static_cast<std::uint32_t>(machine.stacks.size());
  attention.heads_per_stack = hbm_pim::divide_up(config.kv_heads, attention.stacks);
  attention.layers = config.layers;
  attention.context = context;
  attention.values = GemvSlicing(machine.device).decide(context, config.head_dim, true);
  attention.key_rows = static_cast<std::uint32_t>(hbm_pim::WeightLayout::rows_for(
      machine.device, {config.head_dim, context, 0, Slicing::kRows}));
  attention.latest_bytes =
      2 * hbm_pim::elements_per_chunk(machine.device) * config.head_dim * kElementBytes;
  attention.latest_rows = static_cast<std::uint32_t>(hbm_pim::divide_up<std::uint64_t>(
      std::uint64_t{config.layers} * attention.heads_per_stack * attention.latest_bytes,
      stripe_bytes(machine.device.organisation)));
  attention.value_rows = static_cast<std::uint32_t>(hbm_pim::WeightLayout::rows_for(
      machine.device, {context, config.head_dim, 0, attention.values.slicing}));
  return attention;
}

PimAttentionTables emit_pim_attention_tables(Program& program, const MachineShape& machine) {
  const hbm_pim::DeviceDescription& device = machine.device;
  const hbm_pim::StackMap map(device,
                              hbm_pim::BitFieldMapping(device.organisation, machine.mapping));
  PimAttentionTables tables;
  program.align(8);
  tables.pseudo_channels = program.address();
  for (std::uint32_t i = 0; i < device.organisation.pseudo_channels(); ++i) {
    program.double_word(map.of_pseudo_channel(i));
  }
  tables.units = program.address();
  const std::uint32_t units = hbm_pim::outputs_per_slot(device);
  const hbm_pim::WeightLayout slot(map, {1, units, 0, Slicing::kRows});
  for (std::uint32_t i = 0; i < units; ++i) program.double_word(slot.offset(i, 0));
  tables.columns = program.address();
  for (std::uint32_t i = 0; i < device.organisation.columns; ++i) {
    program.double_word(map.of_column(i));
  }
  tables.stacks = program.address();
  for (const StackShape& stack : machine.stacks) program.double_word(stack.memory_base);
  return tables;
}

void emit_pim_attention(Program& program, const ModelConfig& config, const MachineShape& machine,
                        const TileMemory& memory, const PimAttention& attention,
                        const PimAttentionTables& tables, AttentionPart part) {
  PimAttentionEmitter emitter(program, config, machine, memory, attention, tables);
  switch (part) {
    case AttentionPart::kPimKeys:
      return emitter.emit_keys();
    case AttentionPart::kPimQueries:
      return emitter.emit_queries();
    case AttentionPart::kPimSoftmax:
      return emitter.emit_softmax();
    case AttentionPart::kPimStoreValues:
      return emitter.emit_store_values();
    default:
      throw std::logic_error("this part of attention has no program of HBM-PIM's kind");
  }
}

std::uint32_t pim_attention_tiles(const ModelConfig& config, const MachineShape& machine,
                                  AttentionPart part) {
  switch (part) {
    case AttentionPart::kPimKeys:
      return std::min(machine.tiles.count, config.kv_heads);
    case AttentionPart::kPimStoreValues:
      return std::min(machine.tiles.count, config.kv_heads * value_slots(config, machine));
    default:
      return std::min(machine.tiles.count, config.heads);
  }
}

}  // namespace hpimvp::compiler
