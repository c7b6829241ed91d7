// The attention programs of the tiles.
//
// A tile takes the KV heads tile, tile + tiles, ...; the query heads that share a KV head stay
// together, so that K and V are streamed once for `heads_per_pass` of them. Streams are double
// buffered: while the in-array unit works on one block the next one arrives.
//
// With fewer KV heads than tiles and a long context, `tiles_per_kv_head` tiles share a head (HPIM's
// case of more cores than heads): tile t takes part t / kv_heads of head t % kv_heads, which is the
// blocks part, part + parts, ... Each part leaves its sums, maximum and denominator at the tile of
// part 0, where kCombine makes one result of them. New keys and values are stored by the part that
// takes the last block, so that no part reads what another one is still writing.
//
// Tiles that have a head to themselves do not all begin with the first block, which lies in one
// stack: each begins elsewhere and goes around, so that the tiles of a mesh column, and so a
// column's links, draw from all stacks at once.
//
// Numbers: scores in FP32, times 1/sqrt(head_dim); softmax in FP32; its numerators e^(s - max) are
// rounded to FP16 (at most 1) and multiply V with FP32 accumulation; the division by the
// denominator is a multiplication with its reciprocal before the one rounding of the result to
// FP16.
#include <algorithm>
#include <cstddef>

#include "platform/compiler/engine_mapping.h"
#include "platform/compiler/tile_programs.h"

namespace hpimvp::compiler {
namespace {

using sram_pim::Label;
using sram_pim::Program;
using enum sram_pim::Opcode;

constexpr unsigned kSyncTransfer = static_cast<unsigned>(sram_pim::Unit::kTransfer);
constexpr unsigned kSyncVector = static_cast<unsigned>(sram_pim::Unit::kVector);
constexpr unsigned kSyncPim = static_cast<unsigned>(sram_pim::Unit::kPim);
constexpr unsigned kSyncAll = kSyncTransfer | kSyncVector | kSyncPim;

enum Register : unsigned {
  kPosition = 1,  // argument
  kTableSource,   // argument: the block table in memory
  kRopeSource,    // argument

  // Set once per program.
  kLength = 4,  // positions of the blocks that this tile takes
  kLocalBlock,  // inner loops: how many of them stand before it

  kLastBlock = 6,  // index of the block that holds the position
  kLastSlot,       // the position's place in it
  kTable,          // the block table in control memory
  kTileStride,
  kKvHeads,
  kHeadDim,
  kHeadBytes,
  kBlockTokens,

  // Per KV head.
  kKvHead,
  kLocalIndex,  // number of query heads that this tile has finished
  kInBlock,     // offset of the head's K or V section in a block
  kFirstHead,   // of the pass, in the group

  // Inner loops.
  kBlock,
  kBuffer,
  kOtherBuffer,
  kRows,
  kHead,
  kHeadEnd,
  kA,
  kB,
  kC,
  kD,
  kSource,
  kBytes,
  kPart,  // of the head that this tile takes; where tiles share none, the block to begin with
};
static_assert(kPart < sram_pim::kScalarRegisters);

class AttentionEmitter {
 public:
  AttentionEmitter(Program& program, const ModelConfig& config, const MachineShape& machine,
                   const TileMemory& memory, const AttentionShape& attention,
                   std::uint32_t block_table)
      : program_(program),
        config_(config),
        machine_(machine),
        memory_(memory),
        attention_(attention),
        block_table_(block_table),
        head_bytes_(config.head_dim * 2),
        group_(config.heads_per_kv_head()),
        parts_(attention.tiles_per_kv_head),
        home_(machine.tiles.memory_base + std::uint64_t{kHomeTile} * machine.tiles.memory_stride) {}

  void emit(AttentionPart part) {
    keeps_all_heads_ = part != AttentionPart::kWhole;
    const bool keys = part == AttentionPart::kKeys || part == AttentionPart::kWhole;
    const bool scores = part == AttentionPart::kScores || part == AttentionPart::kWhole;
    const bool values = part == AttentionPart::kValues || part == AttentionPart::kWhole;
    const Label done = program_.label("done");
    emit_prologue(scores || values, config_.has_rope() && (keys || scores));
    if (parts_ > 1) choose_part(scores || values, done);
    if (scores || values) compute_length();
    const Label loop = program_.label("kv_head");
    program_.bind(loop);
    program_.emit(kBgeu, {kKvHead, kKvHeads, done});
    if (keys) if_owner([&] { store_key(); });
    if (values) if_owner([&] { store_value(); });
    if (scores && values) {
      pull_queries();
      for_each_pass([&] {
        compute_scores();
        weigh_values();
      });
      if (parts_ == 1) push_context();
    } else if (scores) {
      pull_queries();
      for_each_pass([&] { compute_scores(); });
      program_.emit(kAddi, {kLocalIndex, kLocalIndex, group_});
    } else if (values) {
      for_each_pass([&] { weigh_values(); });
      if (parts_ == 1) push_context();
      program_.emit(kAddi, {kLocalIndex, kLocalIndex, group_});
    }
    program_.emit(kAdd, {kKvHead, kKvHead, kTileStride});
    program_.jump(loop);
    program_.bind(done);
    program_.emit(kHalt);
  }

  // Of each query head: with M the largest maximum m_p and w_p = e^(m_p - M), the result is the sum
  // of w_p times part p's sums, divided by the sum of w_p times its denominator.
  void emit_combine() {
    program_.load_constant(kBlockTokens, attention_.block_tokens);
    program_.emit(kDivu, {kLastBlock, kPosition, kBlockTokens});
    program_.emit(kAddi, {kLength, kLastBlock, 1});
    program_.load_constant(kA, parts_);
    program_.emit(kMinu, {kLength, kLength, kA});  // parts that have blocks
    program_.emit(kTileId, {kKvHead});
    program_.load_constant(kHeadDim, config_.head_dim);
    program_.load_constant(kHeadBytes, head_bytes_);
    program_.load_constant(kRows, 1);
    const Label loop = program_.label("combine_head");
    program_.load_constant(kHead, 0);
    program_.load_constant(kHeadEnd, group_);
    program_.bind(loop);
    combine_head();
    program_.emit(kAddi, {kHead, kHead, 1});
    program_.emit(kBltu, {kHead, kHeadEnd, loop});
    push_context();
    program_.emit(kHalt);
  }

 private:
  // Calls `body` for the records of parts 1 and up, with kB at the record's maximum.
  template <typename Body>
  void for_each_further_part(const char* name, Body body) {
    const Label loop = program_.label(name);
    const Label end = program_.label();
    program_.load_constant(kPart, 1);
    program_.move(kB, kA);
    program_.bind(loop);
    program_.emit(kBgeu, {kPart, kLength, end});
    program_.load_constant(kD, memory_.record_bytes);
    program_.emit(kAdd, {kB, kB, kD});
    body();
    program_.emit(kAddi, {kPart, kPart, 1});
    program_.jump(loop);
    program_.bind(end);
  }

  void combine_head() {
    enum : unsigned {  // addresses in the vector unit's operands
      kMaximum = kBlock,
      kWeight = kBuffer,
      kDenominator = kOtherBuffer,
      kTemporary = kSource,
      kSums = kBytes,
      kScratch = kInBlock,
      kAddress = kC,
    };
    program_.load_constant(kMaximum, memory_.combine_scalars);
    program_.emit(kAddi, {kWeight, kMaximum, 4});
    program_.emit(kAddi, {kDenominator, kMaximum, 8});
    program_.emit(kAddi, {kTemporary, kMaximum, 12});
    program_.load_constant(kSums, memory_.combined);
    program_.load_constant(kScratch, memory_.combine_scratch);
    element_address(kA, memory_.gathered + maximum_offset(), kHead,
                    std::uint64_t{parts_} * memory_.record_bytes);
    program_.emit(kVsCopy, {kMaximum, kA, kRows});
    for_each_further_part("part_maximum", [&] { program_.emit(kSsMax, {kMaximum, kMaximum, kB}); });
    program_.emit(kVsExps, {kWeight, kA, kMaximum, kRows});
    program_.emit(kAddi, {kAddress, kA, 4});
    program_.emit(kSsMul, {kDenominator, kWeight, kAddress});
    program_.load_constant(kD, maximum_offset());
    program_.emit(kSub, {kAddress, kA, kD});
    program_.emit(kVsMuls, {kSums, kAddress, kWeight, kHeadDim});
    for_each_further_part("part_sum", [&] {
      program_.emit(kVsExps, {kWeight, kB, kMaximum, kRows});
      program_.emit(kAddi, {kAddress, kB, 4});
      program_.emit(kSsMul, {kTemporary, kWeight, kAddress});
      program_.emit(kSsAdd, {kDenominator, kDenominator, kTemporary});
      program_.load_constant(kD, maximum_offset());
      program_.emit(kSub, {kAddress, kB, kD});
      program_.emit(kVsMuls, {kScratch, kAddress, kWeight, kHeadDim});
      program_.emit(kVsAdd, {kSums, kSums, kScratch, kHeadDim});
    });
    program_.emit(kSsRecip, {kDenominator, kDenominator});
    element_address(kAddress, memory_.local_context, kHead, head_bytes_);
    program_.emit(kVcStoHMuls, {kAddress, kSums, kDenominator, kHeadDim});
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
  void sync(unsigned mask) { program_.emit(kSync, {mask}); }

  // Registers, block table (whole, or just the last entry), RoPE angles.
  void emit_prologue(bool whole_table, bool rope) {
    program_.load_constant(kBlockTokens, attention_.block_tokens);
    program_.emit(kDivu, {kLastBlock, kPosition, kBlockTokens});
    program_.emit(kRemu, {kLastSlot, kPosition, kBlockTokens});
    program_.load_constant(kTable, block_table_);
    program_.load_constant(kA, 3);
    program_.emit(kSll, {kB, kLastBlock, kA});  // 8 bytes an entry
    if (whole_table) {
      program_.emit(kAddi, {kBytes, kB, 8});
      program_.emit(kXldc, {kTable, kTableSource, kBytes});
    } else {
      program_.emit(kAdd, {kA, kTable, kB});
      program_.emit(kAdd, {kSource, kTableSource, kB});
      program_.load_constant(kBytes, 8);
      program_.emit(kXldc, {kA, kSource, kBytes});
    }
    if (rope) {
      program_.load_constant(kA, memory_.rope_row);
      program_.load_constant(kBytes, std::uint64_t{config_.head_dim} * 4);
      program_.emit(kXlda, {kA, kRopeSource, kBytes});
    }
    program_.emit(kTileId, {kKvHead});
    program_.emit(kTiles, {kTileStride});
    program_.load_constant(kKvHeads, config_.kv_heads);
    program_.load_constant(kHeadDim, config_.head_dim);
    program_.load_constant(kHeadBytes, head_bytes_);
    program_.load_constant(kLocalIndex, 0);
    if (whole_table && parts_ == 1) choose_first_block();
    sync(kSyncTransfer);
  }

  // kPart = (tile / (tiles / stacks)) mod blocks. As many tiles as stacks begin alike where the
  // blocks of a layer go round the stacks, and neighbours in a mesh row are among them.
  void choose_first_block() {
    const auto stacks = static_cast<std::uint32_t>(machine_.stacks.size());
    program_.load_constant(kA, std::max(1U, machine_.tiles.count / stacks));
    program_.emit(kDivu, {kPart, kKvHead, kA});
    program_.emit(kAddi, {kA, kLastBlock, 1});
    program_.emit(kRemu, {kPart, kPart, kA});
  }

  // Which head and which of its parts this tile takes. Without blocks in its part it has nothing to
  // do; kKvHeads as stride ends the loop over heads after one.
  void choose_part(bool needs_blocks, Label done) {
    program_.move(kA, kKvHead);  // the tile's number
    program_.emit(kDivu, {kPart, kA, kKvHeads});
    program_.emit(kRemu, {kKvHead, kA, kKvHeads});
    program_.move(kTileStride, kKvHeads);
    if (needs_blocks) program_.emit(kBltu, {kLastBlock, kPart, done});
  }

  // The last block belongs to part kLastBlock % parts.
  template <typename Body>
  void if_owner(Body body) {
    if (parts_ == 1) return body();
    const Label other = program_.label();
    program_.load_constant(kA, parts_);
    program_.emit(kRemu, {kA, kLastBlock, kA});
    program_.emit(kBne, {kA, kPart, other});
    body();
    program_.bind(other);
  }

  void compute_length() {
    if (parts_ == 1) {
      program_.emit(kAddi, {kLength, kPosition, 1});
      return;
    }
    program_.load_constant(kB, parts_);
    program_.emit(kSub, {kA, kLastBlock, kPart});
    program_.emit(kDivu, {kA, kA, kB});  // blocks of this part before its last one
    program_.emit(kMul, {kB, kA, kB});
    program_.emit(kAdd, {kB, kB, kPart});  // its last one
    program_.emit(kMul, {kLength, kA, kBlockTokens});
    rows_of(kB);
    program_.emit(kAdd, {kLength, kLength, kRows});
  }

  // kInBlock = where the keys (or values) of kKvHead begin in a block.
  void locate_section(bool values) {
    const std::uint64_t section = std::uint64_t{attention_.block_tokens} * head_bytes_;
    element_address(kInBlock, values ? section : 0, kKvHead, 2 * section);
  }

  // Writes one head from `local` to the position's slot of the section at kInBlock.
  void append(std::uint32_t local) {
    multiply(kA, kLastBlock, 8);
    program_.emit(kAdd, {kA, kA, kTable});
    program_.emit(kLdd, {kSource, 0, kA});
    program_.emit(kAdd, {kSource, kSource, kInBlock});
    program_.emit(kMul, {kB, kLastSlot, kHeadBytes});
    program_.emit(kAdd, {kSource, kSource, kB});
    program_.load_constant(kA, local);
    program_.emit(kXsta, {kA, kSource, kHeadBytes});
  }

  void rotate(unsigned address) {
    program_.load_constant(kB, memory_.rope_row);
    program_.emit(kVRope, {address, address, kB, kHeadDim});
  }

  void store_key() {
    locate_section(false);
    element_address(kSource, home_ + memory_.key, kKvHead, head_bytes_);
    program_.load_constant(kA, memory_.local_key);
    // The last head's rotation may still read what the transfer is about to overwrite.
    sync(kSyncVector);
    program_.emit(kXlda, {kA, kSource, kHeadBytes});
    sync(kSyncTransfer);
    if (config_.has_rope()) {
      rotate(kA);
      sync(kSyncVector);
    }
    append(memory_.local_key);
  }

  void store_value() {
    locate_section(true);
    element_address(kSource, home_ + memory_.value, kKvHead, head_bytes_);
    program_.load_constant(kA, memory_.local_value);
    program_.emit(kXlda, {kA, kSource, kHeadBytes});
    append(memory_.local_value);
  }

  void pull_queries() {
    element_address(kSource, home_ + memory_.query, kKvHead, std::uint64_t{group_} * head_bytes_);
    program_.load_constant(kA, memory_.local_query);
    program_.load_constant(kBytes, std::uint64_t{group_} * head_bytes_);
    sync(kSyncAll);
    program_.emit(kXlda, {kA, kSource, kBytes});
    sync(kSyncTransfer);
    if (!config_.has_rope()) return;
    const Label loop = program_.label("rotate_query");
    program_.load_constant(kHead, 0);
    program_.load_constant(kHeadEnd, group_);
    program_.bind(loop);
    rotate(kA);
    program_.emit(kAdd, {kA, kA, kHeadBytes});
    program_.emit(kAddi, {kHead, kHead, 1});
    program_.emit(kBltu, {kHead, kHeadEnd, loop});
  }

  // Passes over the query heads of a group, `heads_per_pass` at a time (a divisor of the group).
  template <typename Body>
  void for_each_pass(Body body) {
    program_.load_constant(kFirstHead, 0);
    if (attention_.heads_per_pass == group_) {
      body();
      return;
    }
    const Label loop = program_.label("pass");
    program_.bind(loop);
    body();
    program_.emit(kAddi, {kFirstHead, kFirstHead, attention_.heads_per_pass});
    program_.load_constant(kA, group_);
    program_.emit(kBltu, {kFirstHead, kA, loop});
  }

  template <typename Body>
  void for_each_head(const char* name, Body body) {
    const Label loop = program_.label(name);
    program_.load_constant(kHead, 0);
    program_.load_constant(kHeadEnd, attention_.heads_per_pass);
    program_.bind(loop);
    body();
    program_.emit(kAddi, {kHead, kHead, 1});
    program_.emit(kBltu, {kHead, kHeadEnd, loop});
  }

  // kRows = positions in block `block` (the last one is filled up to the current position).
  void rows_of(unsigned block) {
    const Label full = program_.label();
    program_.move(kRows, kBlockTokens);
    program_.emit(kBne, {block, kLastBlock, full});
    program_.emit(kAddi, {kRows, kLastSlot, 1});
    program_.bind(full);
  }

  // Starts the transfer of the section at kInBlock of block kC into `buffer`.
  void fetch_block(unsigned buffer) {
    multiply(kA, kC, 8);
    program_.emit(kAdd, {kA, kA, kTable});
    program_.emit(kLdd, {kSource, 0, kA});
    program_.emit(kAdd, {kSource, kSource, kInBlock});
    rows_of(kC);
    program_.emit(kMul, {kBytes, kRows, kHeadBytes});
    program_.emit(kXlda, {buffer, kSource, kBytes});
  }

  // kC = the block after kBlock; if there is none, goes to `last`.
  void advance_block(Label last) {
    program_.emit(kAddi, {kC, kBlock, parts_});
    if (parts_ > 1) {
      program_.emit(kBltu, {kLastBlock, kC, last});
      return;
    }
    const Label inside = program_.label();
    program_.emit(kBgeu, {kLastBlock, kC, inside});
    program_.move(kC, 0);
    program_.bind(inside);
    program_.emit(kBeq, {kC, kPart, last});
  }

  // Calls `body`, which must keep kC, for each block with its rows configured in the in-array unit
  // and kBuffer holding them; the next block is in flight meanwhile.
  template <typename Body>
  void stream_blocks(const char* name, Body body) {
    const Label loop = program_.label(name);
    const Label last = program_.label();
    program_.load_constant(kBuffer, memory_.stream);
    program_.load_constant(kOtherBuffer, memory_.stream + memory_.stream_bytes);
    sync(kSyncPim);  // may still read the buffers of the stream before
    program_.move(kC, kPart);
    fetch_block(kBuffer);
    program_.move(kBlock, kPart);
    program_.move(kLocalBlock, parts_ == 1 ? unsigned{kPart} : 0U);
    program_.bind(loop);
    sync(kSyncAll);
    advance_block(last);
    fetch_block(kOtherBuffer);
    program_.bind(last);
    rows_of(kBlock);
    program_.emit(kPimCfg, {kRows, kHeadDim, kHeadBytes});
    body();
    program_.move(kA, kBuffer);
    program_.move(kBuffer, kOtherBuffer);
    program_.move(kOtherBuffer, kA);
    program_.move(kBlock, kC);
    if (parts_ == 1) {
      program_.move(kLocalBlock, kC);
      program_.emit(kBne, {kBlock, kPart, loop});
    } else {
      program_.emit(kAddi, {kLocalBlock, kLocalBlock, 1});
      program_.emit(kBgeu, {kLastBlock, kBlock, loop});
    }
    sync(kSyncPim);
  }

  // rd = where the softmax of head kHead of the pass is kept: for all heads of the tile until the
  // values are there, or just for those of the pass.
  void softmax_address(unsigned rd, std::uint32_t base, std::uint32_t stride) {
    if (keeps_all_heads_) {
      program_.emit(kAdd, {rd, kLocalIndex, kFirstHead});
      program_.emit(kAdd, {rd, rd, kHead});
    } else {
      program_.move(rd, kHead);
    }
    element_address(rd, base, rd, stride);
  }
  void weights_address(unsigned rd) {
    softmax_address(rd, memory_.weights, memory_.weight_row_bytes);
  }
  void record_address(unsigned rd) { softmax_address(rd, memory_.records, memory_.record_bytes); }
  // Where a record keeps the maximum; the denominator or its reciprocal follows.
  std::uint32_t maximum_offset() const { return config_.head_dim * 4; }

  void compute_scores() {
    locate_section(false);
    const std::uint64_t block_score_bytes = std::uint64_t{attention_.block_tokens} * 4;
    stream_blocks("key_block", [&] {
      for_each_head("score_head", [&] {
        element_address(kA, memory_.scores, kHead, memory_.score_row_bytes);
        multiply(kB, kLocalBlock, block_score_bytes);
        program_.emit(kAdd, {kA, kA, kB});
        program_.emit(kAdd, {kB, kFirstHead, kHead});
        element_address(kB, memory_.local_query, kB, head_bytes_);
        program_.emit(kPimQk, {kA, kB, kBuffer});
      });
    });
    for_each_head("softmax_head", [&] { softmax_head(); });
  }

  void softmax_head() {
    element_address(kA, memory_.scores, kHead, memory_.score_row_bytes);
    program_.load_constant(
        kB, memory_.constants + static_cast<std::uint32_t>(offsetof(TileConstants, score_scale)));
    program_.emit(kVsMuls, {kA, kA, kB, kLength});
    record_address(kB);
    program_.emit(kAddi, {kB, kB, maximum_offset()});
    program_.emit(kVrMaxS, {kB, kA, kLength});
    program_.emit(kVsExps, {kA, kA, kB, kLength});
    program_.emit(kAddi, {kB, kB, 4});
    program_.emit(kVrSumS, {kB, kA, kLength});
    if (parts_ == 1) program_.emit(kSsRecip, {kB, kB});
    weights_address(kB);
    program_.emit(kVcStoH, {kB, kA, kLength});
  }

  void weigh_values() {
    locate_section(true);
    const std::uint64_t block_weight_bytes = std::uint64_t{attention_.block_tokens} * 2;
    stream_blocks("value_block", [&] {
      for_each_head("value_head", [&] {
        weights_address(kA);
        multiply(kB, kLocalBlock, block_weight_bytes);
        program_.emit(kAdd, {kA, kA, kB});
        record_address(kB);
        const Label further = program_.label();
        const Label next = program_.label();
        program_.emit(kBne, {kLocalBlock, parts_ == 1 ? unsigned{kPart} : 0U, further});
        program_.emit(kPimSvz, {kB, kA, kBuffer});
        program_.jump(next);
        program_.bind(further);
        program_.emit(kPimSv, {kB, kA, kBuffer});
        program_.bind(next);
      });
    });
    if (parts_ == 1) {
      for_each_head("normalise_head", [&] { normalise_head(); });
    } else {
      for_each_head("push_head", [&] { push_record(); });
    }
  }

  void normalise_head() {
    record_address(kA);
    program_.emit(kAddi, {kB, kA, maximum_offset() + 4});
    program_.emit(kAdd, {kC, kFirstHead, kHead});
    element_address(kC, memory_.local_context, kC, head_bytes_);
    program_.emit(kVcStoHMuls, {kC, kA, kB, kHeadDim});
  }

  // To the gathered records at the tile of part 0, which has the head's number.
  void push_record() {
    record_address(kA);
    program_.emit(kAdd, {kC, kFirstHead, kHead});
    multiply(kC, kC, parts_);
    program_.emit(kAdd, {kC, kC, kPart});
    element_address(kC, machine_.tiles.memory_base + memory_.gathered, kC, memory_.record_bytes);
    multiply(kSource, kKvHead, machine_.tiles.memory_stride);
    program_.emit(kAdd, {kSource, kSource, kC});
    program_.load_constant(kBytes, memory_.record_bytes);
    program_.emit(kXsta, {kA, kSource, kBytes});
  }

  void push_context() {
    element_address(kSource, home_ + memory_.context, kKvHead, std::uint64_t{group_} * head_bytes_);
    program_.load_constant(kA, memory_.local_context);
    program_.load_constant(kBytes, std::uint64_t{group_} * head_bytes_);
    sync(kSyncVector);
    program_.emit(kXsta, {kA, kSource, kBytes});
  }

  Program& program_;
  const ModelConfig& config_;
  const MachineShape& machine_;
  const TileMemory& memory_;
  const AttentionShape& attention_;
  std::uint32_t block_table_;
  std::uint32_t head_bytes_;
  std::uint32_t group_;
  std::uint32_t parts_;
  std::uint64_t home_;
  bool keeps_all_heads_ = true;
};

}  // namespace

void emit_attention(Program& program, const ModelConfig& config, const MachineShape& machine,
                    const TileMemory& memory, const AttentionShape& attention, AttentionPart part,
                    std::uint32_t block_table) {
  AttentionEmitter emitter(program, config, machine, memory, attention, block_table);
  part == AttentionPart::kCombine ? emitter.emit_combine() : emitter.emit(part);
}

}  // namespace hpimvp::compiler
