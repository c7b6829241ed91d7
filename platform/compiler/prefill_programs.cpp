#include "platform/compiler/prefill_programs.h"

#include <cstddef>

namespace hpimvp::compiler {
namespace {

using sram_pim::Label;
using sram_pim::Opcode;
using sram_pim::Program;
using enum sram_pim::Opcode;

constexpr unsigned kSyncTransfer = static_cast<unsigned>(sram_pim::Unit::kTransfer);
constexpr unsigned kSyncVector = static_cast<unsigned>(sram_pim::Unit::kVector);
constexpr unsigned kSyncTensor = static_cast<unsigned>(sram_pim::Unit::kTensor);
constexpr unsigned kSyncTranspose = static_cast<unsigned>(sram_pim::Unit::kTranspose);
constexpr unsigned kSyncAll = kSyncTransfer | kSyncVector | kSyncTensor | kSyncTranspose;

// What all programs of a chunk have in common. Registers below kFirstFree are arguments.
class Emitter {
 public:
  Emitter(Program& program, const PrefillContext& context)
      : program_(program),
        config_(context.config),
        memory_(context.memory),
        activations_(context.activations),
        control_(context.control),
        constants_(context.tile_memory.constants) {}

 protected:
  static constexpr unsigned kFirstFree = 6;

  void op(Opcode opcode, std::initializer_list<sram_pim::Operand> operands) {
    program_.emit(opcode, operands);
  }
  void set(unsigned rd, std::uint64_t value) { program_.load_constant(rd, value); }
  void sync(unsigned mask) { op(kSync, {mask}); }
  // rd = rs * factor + addend; uses `temporary`.
  void scale(unsigned rd, unsigned rs, std::uint64_t factor, std::uint64_t addend,
             unsigned temporary) {
    set(temporary, factor);
    op(kMul, {rd, rs, temporary});
    if (addend == 0) return;
    set(temporary, addend);
    op(kAdd, {rd, rd, temporary});
  }
  std::uint32_t constant(std::size_t offset) const {
    return constants_ + static_cast<std::uint32_t>(offset);
  }

  // Sums up the FP32 rows of kChunkTokens values at `base`, `rows` of them (destroyed), into the
  // first one. The order depends on the number of rows only.
  void sum_rows(unsigned base, unsigned rows, unsigned half, unsigned source, unsigned elements,
                unsigned temporary) {
    const Label loop = program_.label("sum_rows");
    const Label end = program_.label();
    program_.bind(loop);
    set(temporary, 2);
    op(kBltu, {rows, temporary, end});
    set(temporary, 1);
    op(kSrl, {half, rows, temporary});
    op(kSub, {rows, rows, half});
    set(temporary, kStatisticBytes);
    op(kMul, {source, rows, temporary});
    op(kAdd, {source, source, base});
    set(temporary, kChunkTokens);
    op(kMul, {elements, half, temporary});
    op(kVsAdd, {base, base, source, elements});
    program_.jump(loop);
    program_.bind(end);
  }

  // Stores `bytes` from `local` at `offset` of all copies of a value.
  void store_copies(ValueKind kind, unsigned local, unsigned offset, unsigned bytes,
                    unsigned temporary) {
    for (std::uint32_t replica = 0; replica < activations_.replicas(kind); ++replica) {
      set(temporary, activations_.address(kind, replica));
      op(kAdd, {temporary, temporary, offset});
      op(kXsta, {local, temporary, bytes});
    }
  }
  void load(ValueKind kind, unsigned local, unsigned offset, unsigned bytes, unsigned temporary) {
    set(temporary, activations_.address(kind, 0));
    op(kAdd, {temporary, temporary, offset});
    op(kXlda, {local, temporary, bytes});
  }

  Program& program_;
  const ModelConfig& config_;
  const PrefillMemory& memory_;
  const ChunkActivations& activations_;
  const PrefillControl& control_;
  std::uint32_t constants_;
};

// ------------------------------------------------------------------------------------ matrices

class MatrixEmitter : Emitter {
 public:
  MatrixEmitter(Program& program, const PrefillContext& context)
      : Emitter(program, context), row_bytes_(context.machine.device.organisation.row_bytes()) {}

  void emit() {
    const Label fetch = program_.label("fetch");
    const Label loop = program_.label("step");
    const Label last = program_.label();
    const Label done = program_.label("done");
    prologue(done);
    op(kJal, {kReturn, fetch});
    program_.bind(loop);
    program_.move(kStep, kNextStep);
    program_.move(kIndex, kNext);
    sync(kSyncTransfer | kSyncTensor);
    multiply();
    op(kAddi, {kNext, kIndex, 1});
    op(kBgeu, {kNext, kCount, last});
    op(kJal, {kReturn, fetch});
    program_.bind(last);
    store_last();
    op(kBltu, {kNext, kCount, loop});
    program_.bind(done);
    op(kHalt, {});
    emit_fetch(fetch);
  }

 private:
  enum : unsigned {
    kDirectory = 1,
    kBases,
    kResult,
    kList = kFirstFree,  // address of the steps
    kCount,
    kIndex,
    kNext,
    kStep,  // in control memory
    kNextStep,
    kReturn,
    kLocalBases,
    kPages,
    kRowBytes,
    kTokens,
    kTokenBytes,
    kSingleBytes,
    kPageMask,
    kRingMask,
    kShift,  // log2 of a step's size
    kPageSteps,
    kA,
    kB,
    kSource,
    kBytes,
    kFlags,
    kOutputs,
    kC,
  };
  static_assert(kC < sram_pim::kScalarRegisters);
  static_assert(sizeof(MatrixStep) == 1U << 6);

  void prologue(Label done) {
    set(kA, control_.directory);
    op(kTileId, {kB});
    set(kBytes, 16);
    op(kMul, {kB, kB, kBytes});
    op(kAdd, {kSource, kDirectory, kB});
    op(kXldc, {kA, kSource, kBytes});
    set(kLocalBases, control_.bases);
    set(kBytes, std::uint64_t{activations_.stacks()} * kBaseBytes);
    op(kXldc, {kLocalBases, kBases, kBytes});
    set(kPages, control_.steps);
    set(kRowBytes, row_bytes_);
    set(kTokens, kChunkTokens);
    set(kTokenBytes, kFeatureBytes);
    set(kSingleBytes, kStatisticBytes);
    set(kPageMask, PrefillControl::kPageSteps - 1);
    set(kRingMask, 2 * PrefillControl::kPageSteps - 1);
    set(kShift, 6);
    set(kPageSteps, PrefillControl::kPageSteps);
    set(kNext, 0);
    sync(kSyncTransfer);
    op(kLdd, {kList, 0, kA});
    op(kLdd, {kCount, 8, kA});
    op(kBeq, {kCount, 0, done});
  }

  // Begins to load what step kNext needs, and makes kNextStep point at it.
  void emit_fetch(Label entry) {
    const Label present = program_.label("step_present");
    const Label free = program_.label();
    const Label no_weights = program_.label();
    const Label no_inputs = program_.label();
    program_.bind(entry);
    op(kAnd, {kNextStep, kNext, kRingMask});
    op(kSll, {kNextStep, kNextStep, kShift});
    op(kAdd, {kNextStep, kNextStep, kPages});
    op(kAnd, {kA, kNext, kPageMask});
    op(kBne, {kA, 0, present});
    op(kSub, {kA, kCount, kNext});
    op(kMinu, {kA, kA, kPageSteps});
    op(kSll, {kBytes, kA, kShift});
    op(kSll, {kSource, kNext, kShift});
    op(kAdd, {kSource, kSource, kList});
    op(kXldc, {kNextStep, kSource, kBytes});
    sync(kSyncTransfer);
    program_.bind(present);
    load_word(kA, kNextStep, offsetof(MatrixStep, flags));
    set(kBytes, MatrixStep::kAfter);
    op(kAnd, {kA, kA, kBytes});
    op(kBeq, {kA, 0, free});
    sync(kSyncTensor);
    program_.bind(free);
    load_word(kBytes, kNextStep, offsetof(MatrixStep, weight_bytes));
    op(kBeq, {kBytes, 0, no_weights});
    load_word(kA, kNextStep, offsetof(MatrixStep, base));
    op(kAdd, {kA, kA, kLocalBases});
    op(kLdd, {kA, 0, kA});
    op(kLdd, {kSource, offsetof(MatrixStep, weight_offset), kNextStep});
    op(kAdd, {kSource, kSource, kA});
    load_word(kA, kNextStep, offsetof(MatrixStep, weight_buffer));
    op(kXlda, {kA, kSource, kBytes});
    program_.bind(no_weights);
    load_word(kBytes, kNextStep, offsetof(MatrixStep, input_bytes));
    op(kBeq, {kBytes, 0, no_inputs});
    op(kLdd, {kSource, offsetof(MatrixStep, input_address), kNextStep});
    load_word(kA, kNextStep, offsetof(MatrixStep, input_buffer));
    op(kXlda, {kA, kSource, kBytes});
    program_.bind(no_inputs);
    op(kJalr, {0, 0, kReturn});
  }

  void load_word(unsigned rd, unsigned step, std::size_t offset) { op(kLdw, {rd, offset, step}); }

  // The step at kStep.
  void multiply() {
    const Label rows = program_.label();
    const Label distances = program_.label();
    const Label start = program_.label("start_sum");
    const Label multiplied = program_.label();
    load_word(kFlags, kStep, offsetof(MatrixStep, flags));
    load_word(kOutputs, kStep, offsetof(MatrixStep, outputs));
    load_word(kB, kStep, offsetof(MatrixStep, inputs));
    op(kTcuCfg, {kOutputs, kB, kTokens});
    set(kC, MatrixStep::kBias);
    op(kAnd, {kC, kC, kFlags});
    op(kBeq, {kC, 0, rows});
    op(kTcuDist, {kC, kTokenBytes, kSingleBytes});  // kBias is the size of a bias
    program_.jump(distances);
    program_.bind(rows);
    op(kTcuDist, {kRowBytes, kTokenBytes, kSingleBytes});
    program_.bind(distances);
    load_word(kC, kStep, offsetof(MatrixStep, c));
    load_word(kSource, kStep, offsetof(MatrixStep, a));
    load_word(kB, kStep, offsetof(MatrixStep, w));
    set(kBytes, MatrixStep::kStart);
    op(kAnd, {kBytes, kBytes, kFlags});
    op(kBne, {kBytes, 0, start});
    op(kTcuWsAcc, {kC, kSource, kB});
    program_.jump(multiplied);
    program_.bind(start);
    op(kTcuWs, {kC, kSource, kB});
    program_.bind(multiplied);
  }
  static_assert(MatrixStep::kBias == 2);

  // If that was the last step of its outputs: kOutputs of them, at kC.
  void store_last() {
    const Label stored = program_.label();
    set(kBytes, MatrixStep::kStore);
    op(kAnd, {kBytes, kBytes, kFlags});
    op(kBeq, {kBytes, 0, stored});
    sync(kSyncTensor);
    set(kB, memory_.results);
    op(kMul, {kBytes, kOutputs, kTokens});
    op(kVcStoH, {kB, kC, kBytes});
    sync(kSyncVector);
    load_word(kSource, kStep, offsetof(MatrixStep, result_offset));
    op(kAdd, {kSource, kSource, kResult});
    op(kMul, {kBytes, kOutputs, kTokenBytes});
    op(kXsta, {kB, kSource, kBytes});
    program_.bind(stored);
  }

  std::uint64_t row_bytes_;
};

// ------------------------------------------------------------- pieces of features, one by one

class PieceEmitter : protected Emitter {
 public:
  using Emitter::Emitter;

 protected:
  enum : unsigned {
    kPiece = kFirstFree,
    kTiles,
    kFeatures,
    kPieceFeatures,
    kFirst,  // feature of the piece
    kRows,   // features of the piece
    kBytes,
    kElements,
    kOffset,  // in a value
    kA,
    kB,
    kC,
    kD,
    kE,
    kF,
    kOwn,  // for the program
  };

  // `body` with kPiece, kFirst, kRows, kBytes, kElements and kOffset of each piece of this tile;
  // all units are idle before it.
  template <typename Body>
  void for_each_piece(const FeaturePieces& pieces, Body body) {
    const Label loop = program_.label("piece");
    const Label end = program_.label("done");
    op(kTileId, {kPiece});
    op(sram_pim::Opcode::kTiles, {kTiles});
    set(kFeatures, pieces.features);
    set(kPieceFeatures, pieces.piece);
    program_.bind(loop);
    op(kMul, {kFirst, kPiece, kPieceFeatures});
    op(kBgeu, {kFirst, kFeatures, end});
    op(kSub, {kRows, kFeatures, kFirst});
    op(kMinu, {kRows, kRows, kPieceFeatures});
    scale(kBytes, kRows, kFeatureBytes, 0, kA);
    scale(kElements, kRows, kChunkTokens, 0, kA);
    scale(kOffset, kFirst, kFeatureBytes, 0, kA);
    sync(kSyncAll);
    body();
    op(kAdd, {kPiece, kPiece, kTiles});
    program_.jump(loop);
    program_.bind(end);
    op(kHalt, {});
  }
};

class NormEmitter : PieceEmitter {
 public:
  using PieceEmitter::PieceEmitter;

  void emit(NormMode mode, PrefillNormPart part) {
    switch (part) {
      case PrefillNormPart::kSums:
        return emit_sums(mode);
      case PrefillNormPart::kSquares:
        return emit_squares();
      case PrefillNormPart::kApply:
        return emit_apply(mode);
    }
  }

 private:
  enum : unsigned {
    kWeightSource = 1,
    kBiasSource = 2,
    kMean = kOwn,
    kDeviation,
    kRow,
    kRowEnd,
    kWeight,
    kBias,
    kTokens,
  };
  static_assert(kTokens < sram_pim::kScalarRegisters);

  bool has_mean() const { return config_.norm == NormKind::kLayer; }

  void emit_sums(NormMode mode) {
    for_each_piece(norm_pieces(config_), [&] {
      set(kA, memory_.features);
      load(ValueKind::kHidden, kA, kOffset, kBytes, kB);
      if (mode != NormMode::kNorm) {
        set(kC, memory_.addend);
        load(ValueKind::kDelta, kC, kOffset, kBytes, kB);
        sync(kSyncTransfer);
        op(kVhAdd, {kA, kA, kC, kElements});
        sync(kSyncVector);
        if (mode == NormMode::kAdd) {
          store_copies(ValueKind::kHidden, kA, kOffset, kBytes, kB);
          return;
        }
        set(kB, activations_.address(ValueKind::kHidden, 0));
        op(kAdd, {kB, kB, kOffset});
        op(kXsta, {kA, kB, kBytes});
      } else {
        sync(kSyncTransfer);
      }
      set(kC, memory_.singles);
      op(kVcHtoS, {kC, kA, kElements});
      if (!has_mean()) op(kVsMul, {kC, kC, kC, kElements});
      store_sums(0);
    });
  }

  // Sums up the rows at kC and stores them as the piece's partial sums.
  void store_sums(std::uint32_t which) {
    sum_rows(kC, kRows, kA, kB, kD, kE);
    scale(kA, kPiece, kStatisticBytes, 0, kE);
    set(kD, kStatisticBytes);
    sync(kSyncVector);
    for (std::uint32_t replica = 0; replica < activations_.stacks(); ++replica) {
      set(kB, activations_.statistics_address(which, replica));
      op(kAdd, {kB, kB, kA});
      op(kXsta, {kC, kB, kD});
    }
  }

  // kC = the sums over all pieces.
  void load_sums(std::uint32_t which) {
    // The copy in stack tile % stacks; copies are an equal distance apart only by chance.
    const Label loaded = program_.label();
    op(kTileId, {kA});
    set(kB, activations_.stacks());
    op(kRemu, {kA, kA, kB});
    set(kC, memory_.partials);
    set(kD, std::uint64_t{norm_pieces(config_).count()} * kStatisticBytes);
    sync(kSyncVector);
    for (std::uint32_t replica = 0; replica < activations_.stacks(); ++replica) {
      const Label next = program_.label();
      set(kB, replica);
      op(kBne, {kA, kB, next});
      set(kB, activations_.statistics_address(which, replica));
      op(kXlda, {kC, kB, kD});
      program_.jump(loaded);
      program_.bind(next);
    }
    program_.bind(loaded);
    sync(kSyncTransfer);
    set(kRows, norm_pieces(config_).count());
    sum_rows(kC, kRows, kA, kB, kD, kE);
  }

  // At kMean the negative mean.
  void load_mean() {
    load_sums(0);
    set(kMean, memory_.mean);
    set(kTokens, kChunkTokens);
    set(kA, constant(offsetof(TileConstants, inverse_hidden)));
    set(kB, memory_.totals);
    op(kSsNeg, {kB, kA});
    op(kVsMuls, {kMean, kC, kB, kTokens});
  }

  // The piece at kA in FP16 to kC in FP32, less the mean, rounded to FP16 in between.
  void subtract_mean() {
    op(kVcHtoS, {kC, kA, kElements});
    for_each_row([&] { op(kVsAdd, {kRow, kRow, kMean, kTokens}); });
    op(kVcStoH, {kA, kC, kElements});
    op(kVcHtoS, {kC, kA, kElements});
  }

  // `body` with kRow at each FP32 row at kC.
  template <typename Body>
  void for_each_row(Body body) {
    const Label loop = program_.label("row");
    program_.move(kRow, kC);
    scale(kRowEnd, kRows, kStatisticBytes, 0, kD);
    op(kAdd, {kRowEnd, kRowEnd, kRow});
    set(kD, kStatisticBytes);
    program_.bind(loop);
    body();
    op(kAdd, {kRow, kRow, kD});
    op(kBltu, {kRow, kRowEnd, loop});
  }

  void emit_squares() {
    load_mean();
    for_each_piece(norm_pieces(config_), [&] {
      set(kA, memory_.features);
      load(ValueKind::kHidden, kA, kOffset, kBytes, kB);
      set(kC, memory_.singles);
      sync(kSyncTransfer);
      subtract_mean();
      op(kVsMul, {kC, kC, kC, kElements});
      store_sums(1);
    });
  }

  // At kDeviation the reciprocal of the standard deviation.
  void load_deviation() {
    load_sums(has_mean() ? 1 : 0);
    set(kDeviation, memory_.deviation);
    set(kTokens, kChunkTokens);
    set(kA, constant(offsetof(TileConstants, inverse_hidden)));
    op(kVsMuls, {kDeviation, kC, kA, kTokens});
    set(kA, constant(offsetof(TileConstants, norm_epsilon)));
    op(kVsAdds, {kDeviation, kDeviation, kA, kTokens});
    const Label loop = program_.label("root");
    program_.move(kRow, kDeviation);
    op(kAddi, {kRowEnd, kRow, kStatisticBytes});
    program_.bind(loop);
    op(kSsRsqrt, {kRow, kRow});
    op(kAddi, {kRow, kRow, 4});
    op(kBltu, {kRow, kRowEnd, loop});
  }

  void load_vector(unsigned source, std::uint32_t local) {
    op(kAdd, {kB, kFirst, kFirst});
    op(kAdd, {kB, kB, source});
    op(kAdd, {kD, kRows, kRows});
    set(kE, local);
    op(kXlda, {kE, kB, kD});
  }

  void emit_apply(NormMode mode) {
    const ValueKind to =
        mode == NormMode::kAddNormInPlace ? ValueKind::kHidden : ValueKind::kNormed;
    if (has_mean()) load_mean();
    load_deviation();
    for_each_piece(norm_pieces(config_), [&] {
      set(kA, memory_.features);
      load(ValueKind::kHidden, kA, kOffset, kBytes, kB);
      load_vector(kWeightSource, memory_.weight);
      if (config_.has_norm_bias()) load_vector(kBiasSource, memory_.bias);
      set(kC, memory_.singles);
      sync(kSyncTransfer);
      set(kE, memory_.weight);
      set(kWeight, memory_.weight_single);
      op(kVcHtoS, {kWeight, kE, kRows});
      if (config_.has_norm_bias()) {
        set(kE, memory_.bias);
        set(kBias, memory_.bias_single);
        op(kVcHtoS, {kBias, kE, kRows});
      }
      has_mean() ? subtract_mean() : op(kVcHtoS, {kC, kA, kElements});
      for_each_row([&] {
        op(kVsMul, {kRow, kRow, kDeviation, kTokens});
        op(kVsMuls, {kRow, kRow, kWeight, kTokens});
        op(kAddi, {kWeight, kWeight, 4});
        if (!config_.has_norm_bias()) return;
        op(kVsAdds, {kRow, kRow, kBias, kTokens});
        op(kAddi, {kBias, kBias, 4});
      });
      op(kVcStoH, {kA, kC, kElements});
      sync(kSyncVector);
      store_copies(to, kA, kOffset, kBytes, kB);
    });
  }
};

class ActivationEmitter : PieceEmitter {
 public:
  using PieceEmitter::PieceEmitter;

  void emit() {
    for_each_piece(activation_pieces(config_), [&] {
      set(kA, memory_.activation);
      load(ValueKind::kUp, kA, kOffset, kBytes, kB);
      if (config_.has_gate()) {
        set(kC, memory_.activation_gate);
        load(ValueKind::kGate, kC, kOffset, kBytes, kB);
      }
      sync(kSyncTransfer);
      switch (config_.activation) {
        case Activation::kSiluGate:
          op(kVhSilumul, {kA, kC, kA, kElements});
          break;
        case Activation::kRelu:
          op(kVhRelu, {kA, kA, kElements});
          break;
        case Activation::kGelu:
          op(kVhGelu, {kA, kA, kElements});
          break;
      }
      sync(kSyncVector);
      store_copies(ValueKind::kInner, kA, kOffset, kBytes, kB);
    });
  }
};

class LookupEmitter : PieceEmitter {
 public:
  using PieceEmitter::PieceEmitter;

  void emit(std::uint32_t features, ValueKind to, bool by_position) {
    if (!by_position) {
      set(kTokenIds, control_.tokens);
      scale(kA, kCount, 4, 0, kB);
      op(kXldc, {kTokenIds, kTokenSource, kA});
    }
    op(kAddi, {kCount, kCount, -1});  // from now on the last one
    set(kRowBytes, std::uint64_t{features} * 2);
    for_each_piece(lookup_pieces(features), [&] {
      load_rows(by_position);
      set(kA, kChunkTokens);
      set(kB, kFeatureBytes);
      set(kC, memory_.by_tokens);
      set(kE, memory_.by_features);
      sync(kSyncTransfer);
      op(kTrnCfg, {kA, kRows, kD});
      op(kTrnH, {kE, kC, kB});
      sync(kSyncTranspose);
      store_copies(to, kE, kOffset, kBytes, kB);
    });
  }

 private:
  enum : unsigned {
    kTable = 1,
    kTokenSource,
    kCount,
    kTokenIds = kOwn,
    kRowBytes,
    kToken,
    kLocal,
  };

  // The piece's features of every token to `by_tokens`, kD bytes of each; places without a token
  // take the last one.
  void load_rows(bool by_position) {
    const Label loop = program_.label("token");
    op(kAdd, {kD, kRows, kRows});
    set(kToken, 0);
    set(kLocal, memory_.by_tokens);
    set(kF, kChunkTokens);
    program_.bind(loop);
    op(kMinu, {kA, kToken, kCount});
    if (by_position) {
      op(kAdd, {kA, kA, kTokenSource});
    } else {
      op(kAdd, {kA, kA, kA});
      op(kAdd, {kA, kA, kA});
      op(kAdd, {kA, kA, kTokenIds});
      op(kLdw, {kA, 0, kA});
    }
    op(kMul, {kA, kA, kRowBytes});
    op(kAdd, {kA, kA, kTable});
    op(kAdd, {kA, kA, kFirst});
    op(kAdd, {kA, kA, kFirst});
    op(kXlda, {kLocal, kA, kD});
    op(kAdd, {kLocal, kLocal, kD});
    op(kAddi, {kToken, kToken, 1});
    op(kBltu, {kToken, kF, loop});
  }
};

// ----------------------------------------------------------------------------------- attention

// A tile takes the query heads tile, tile + tiles, ..., each with the keys and values of its KV
// head: those of the chunk, which it rotates itself, and those of earlier chunks from the KV cache.
// The first query head of a KV head stores the chunk's.
class AttentionEmitter : Emitter {
 public:
  AttentionEmitter(Program& program, const PrefillContext& context)
      : Emitter(program, context),
        head_bytes_(config_.head_dim * 2),
        section_bytes_(config_.head_dim * kFeatureBytes),
        score_bytes_(memory_.context_rows * 4),
        weight_bytes_(memory_.context_rows * 2) {}

  void emit() {
    prologue();
    const Label loop = program_.label("head");
    const Label done = program_.label("done");
    program_.bind(loop);
    set(kA, config_.heads);
    op(kBgeu, {kHead, kA, done});
    set(kA, config_.heads_per_kv_head());
    op(kDivu, {kKvHead, kHead, kA});
    load_head(ValueKind::kQuery, kHead, memory_.query);
    load_head(ValueKind::kKey, kKvHead, memory_.key);
    load_head(ValueKind::kValue, kKvHead, memory_.value);
    if (config_.has_rope()) rotate();
    store_keys_and_values();
    attend();
    store_context();
    op(kAdd, {kHead, kHead, kTiles});
    program_.jump(loop);
    program_.bind(done);
    op(kHalt, {});
  }

 private:
  enum : unsigned {
    kPosition = 1,
    kTableSource,
    kRopeSource,
    kCount,
    kBlocks = kFirstFree,  // before the chunk's own
    kTable,
    kTiles,
    kHead,
    kKvHead,
    kInBlock,   // offset of the KV head's keys in a block
    kQueryRow,  // first of those that are worked on
    kBlock,
    kNextBlock,
    kBuffer,
    kOtherBuffer,
    kRow,
    kRowEnd,
    kHeadDim,
    kHeadBytes,
    kSectionBytes,
    kTokens,
    kA,
    kB,
    kC,
    kD,
    kE,
    kF,
  };
  static_assert(kF < sram_pim::kScalarRegisters);

  void prologue() {
    set(kHeadDim, config_.head_dim);
    set(kHeadBytes, head_bytes_);
    set(kSectionBytes, section_bytes_);
    set(kTokens, kChunkTokens);
    op(kDivu, {kBlocks, kPosition, kTokens});
    set(kTable, control_.block_table);
    op(kAddi, {kA, kBlocks, 1});
    scale(kA, kA, 8, 0, kB);
    op(kXldc, {kTable, kTableSource, kA});
    if (config_.has_rope()) {
      scale(kA, kCount, std::uint64_t{config_.head_dim} * 4, 0, kB);
      set(kB, memory_.rope);
      op(kXlda, {kB, kRopeSource, kA});
    }
    op(kTileId, {kHead});
    op(sram_pim::Opcode::kTiles, {kTiles});
  }

  // A head of the chunk, by tokens.
  void load_head(ValueKind kind, unsigned head, std::uint32_t local) {
    op(kMul, {kA, head, kSectionBytes});
    set(kC, memory_.raw);
    sync(kSyncAll);
    load(kind, kC, kA, kSectionBytes, kB);
    set(kD, kFeatureBytes);
    op(kTrnCfg, {kHeadDim, kTokens, kD});
    set(kD, local);
    sync(kSyncTransfer);
    op(kTrnH, {kD, kC, kHeadBytes});
  }

  // Places without a token take the angles of the last one.
  void rotate() {
    const Label loop = program_.label("rotate");
    op(kAddi, {kE, kCount, -1});
    set(kRow, 0);
    set(kA, memory_.query);
    set(kB, memory_.key);
    sync(kSyncTranspose);
    program_.bind(loop);
    op(kMinu, {kC, kRow, kE});
    scale(kC, kC, std::uint64_t{config_.head_dim} * 4, memory_.rope, kD);
    op(kVRope, {kA, kA, kC, kHeadDim});
    op(kVRope, {kB, kB, kC, kHeadDim});
    op(kAdd, {kA, kA, kHeadBytes});
    op(kAdd, {kB, kB, kHeadBytes});
    op(kAddi, {kRow, kRow, 1});
    op(kBltu, {kRow, kTokens, loop});
  }

  // rd = address of a block's section of keys of the KV head.
  void section_address(unsigned rd, unsigned block) {
    set(rd, 8);
    op(kMul, {rd, rd, block});
    op(kAdd, {rd, rd, kTable});
    op(kLdd, {rd, 0, rd});
    op(kAdd, {rd, rd, kInBlock});
  }

  void store_keys_and_values() {
    const Label other = program_.label();
    op(kMul, {kInBlock, kKvHead, kSectionBytes});
    op(kAdd, {kInBlock, kInBlock, kInBlock});
    sync(kSyncAll);
    set(kA, config_.heads_per_kv_head());
    op(kRemu, {kA, kHead, kA});
    op(kBne, {kA, 0, other});
    section_address(kB, kBlocks);
    set(kA, memory_.key);
    op(kXsta, {kA, kB, kSectionBytes});
    op(kAdd, {kB, kB, kSectionBytes});
    set(kA, memory_.value);
    op(kXsta, {kA, kB, kSectionBytes});
    program_.bind(other);
  }

  void attend() {
    const Label loop = program_.label("query_rows");
    set(kQueryRow, 0);
    program_.bind(loop);
    set(kBuffer, memory_.stream[0]);
    set(kOtherBuffer, memory_.stream[1]);
    compute_scores();
    for_each_row("softmax", [&] { softmax_row(); });
    weigh_values();
    for_each_row("normalise", [&] { normalise_row(); });
    op(kAddi, {kQueryRow, kQueryRow, memory_.query_rows});
    op(kBltu, {kQueryRow, kTokens, loop});
  }

  // `body` for each block of earlier chunks, its keys or values at kBuffer, and for the chunk's own
  // at `own`; kBlock is its number and kC its place.
  template <typename Body>
  void for_each_block(const char* name, bool values, std::uint32_t own, Body body) {
    const Label loop = program_.label(name);
    const Label fetched = program_.label();
    const Label last = program_.label();
    set(kBlock, 0);
    op(kBeq, {kBlocks, 0, last});
    sync(kSyncTensor);
    fetch(kBlock, kBuffer, values);
    program_.bind(loop);
    op(kAddi, {kNextBlock, kBlock, 1});
    sync(kSyncTransfer | kSyncTensor);
    op(kBgeu, {kNextBlock, kBlocks, fetched});
    fetch(kNextBlock, kOtherBuffer, values);
    program_.bind(fetched);
    program_.move(kC, kBuffer);
    body();
    program_.move(kA, kBuffer);
    program_.move(kBuffer, kOtherBuffer);
    program_.move(kOtherBuffer, kA);
    program_.move(kBlock, kNextBlock);
    op(kBltu, {kBlock, kBlocks, loop});
    program_.bind(last);
    set(kC, own);
    body();
    sync(kSyncTensor);
  }

  void fetch(unsigned block, unsigned buffer, bool values) {
    section_address(kA, block);
    if (values) op(kAdd, {kA, kA, kSectionBytes});
    op(kXlda, {buffer, kA, kSectionBytes});
  }

  void compute_scores() {
    set(kA, memory_.query_rows);
    set(kB, score_bytes_);
    op(kTcuCfg, {kA, kHeadDim, kTokens});
    op(kTcuDist, {kHeadBytes, kHeadBytes, kB});
    for_each_block("keys", false, memory_.key, [&] {
      scale(kA, kBlock, kStatisticBytes, memory_.scores, kB);
      scale(kB, kQueryRow, head_bytes_, memory_.query, kD);
      op(kTcuWsT, {kA, kB, kC});
    });
  }

  // `body` with kRow, the row's number among those that are worked on.
  template <typename Body>
  void for_each_row(const char* name, Body body) {
    const Label loop = program_.label(name);
    set(kRow, 0);
    set(kRowEnd, memory_.query_rows);
    program_.bind(loop);
    body();
    op(kAddi, {kRow, kRow, 1});
    op(kBltu, {kRow, kRowEnd, loop});
    sync(kSyncVector);
  }

  // kA = its scores, kD = as many as it may see, kB = its scalars, kC = its weights. What it may
  // not see of the chunk weighs nothing.
  void softmax_row() {
    scale(kA, kRow, score_bytes_, memory_.scores, kE);
    op(kAdd, {kD, kPosition, kQueryRow});
    op(kAdd, {kD, kD, kRow});
    op(kAddi, {kD, kD, 1});
    scale(kB, kRow, 8, memory_.scalars, kE);
    scale(kC, kRow, weight_bytes_, memory_.softmax, kE);
    set(kE, constant(offsetof(TileConstants, score_scale)));
    op(kVsMuls, {kA, kA, kE, kD});
    op(kVrMaxS, {kB, kA, kD});
    op(kVsExps, {kA, kA, kB, kD});
    op(kAddi, {kB, kB, 4});
    op(kVrSumS, {kB, kA, kD});
    op(kSsRecip, {kB, kB});
    scale(kE, kBlocks, kFeatureBytes, 0, kF);
    op(kAdd, {kE, kE, kC});
    set(kF, constant(offsetof(TileConstants, zeros)));
    op(kVhCopy, {kE, kF, kTokens});
    op(kVcStoH, {kC, kA, kD});
  }

  void weigh_values() {
    set(kA, memory_.query_rows);
    set(kB, weight_bytes_);
    set(kC, std::uint64_t{config_.head_dim} * 4);
    op(kTcuCfg, {kA, kTokens, kHeadDim});
    op(kTcuDist, {kB, kHeadBytes, kC});
    for_each_block("values", true, memory_.value, [&] {
      const Label further = program_.label();
      const Label end = program_.label();
      scale(kB, kBlock, kFeatureBytes, memory_.softmax, kD);
      set(kA, memory_.head_sums);
      op(kBne, {kBlock, 0, further});
      op(kTcuWs, {kA, kB, kC});
      program_.jump(end);
      program_.bind(further);
      op(kTcuWsAcc, {kA, kB, kC});
      program_.bind(end);
    });
  }

  void normalise_row() {
    scale(kA, kRow, std::uint64_t{config_.head_dim} * 4, memory_.head_sums, kE);
    scale(kB, kRow, 8, memory_.scalars + 4, kE);
    op(kAdd, {kC, kRow, kQueryRow});
    scale(kC, kC, head_bytes_, memory_.head, kE);
    op(kVcStoHMuls, {kC, kA, kB, kHeadDim});
  }

  void store_context() {
    set(kA, memory_.head);
    set(kB, memory_.raw);
    set(kC, kFeatureBytes);
    op(kTrnCfg, {kTokens, kHeadDim, kHeadBytes});
    sync(kSyncAll);
    op(kTrnH, {kB, kA, kC});
    op(kMul, {kA, kHead, kSectionBytes});
    sync(kSyncTranspose);
    store_copies(ValueKind::kContext, kB, kA, kSectionBytes, kC);
  }

  std::uint32_t head_bytes_;
  std::uint32_t section_bytes_;  // a head's keys or values in a block
  std::uint32_t score_bytes_;    // from row to row
  std::uint32_t weight_bytes_;
};

}  // namespace

void emit_prefill_matrix(Program& program, const PrefillContext& context) {
  MatrixEmitter(program, context).emit();
}

void emit_prefill_norm(Program& program, const PrefillContext& context, NormMode mode,
                       PrefillNormPart part) {
  NormEmitter(program, context).emit(mode, part);
}

void emit_prefill_activation(Program& program, const PrefillContext& context) {
  ActivationEmitter(program, context).emit();
}

void emit_prefill_lookup(Program& program, const PrefillContext& context, std::uint32_t features,
                         ValueKind to, bool by_position) {
  LookupEmitter(program, context).emit(features, to, by_position);
}

void emit_prefill_attention(Program& program, const PrefillContext& context) {
  AttentionEmitter(program, context).emit();
}

}  // namespace hpimvp::compiler
