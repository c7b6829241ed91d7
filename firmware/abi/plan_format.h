// The plan: what the compiler leaves in host memory for the firmware (docs/machine.md).
//
// Shared by platform/compiler, which writes it, and by the firmware, which reads it: plain structs
// of fixed-width little-endian fields, no pointers, no padding left to the compiler. Every
// `*_address` is a physical address; 0 means absent. The compiler writes a plan with consistent
// counts, and the firmware still checks magic, version and every index it uses, because the plan
// may come from elsewhere.
#pragma once

#include <cstdint>

namespace hpimvp::plan {

inline constexpr std::uint32_t kMagic = 0x4E4C5048;  // "HPLN"
// Any change that firmware of the version before would take wrongly makes a new version; firmware
// refuses other versions than its own. 2: Request::policy. 3: operators of a chunk. 4:
// several descriptors of an operator for one device, and kPositionUpperHalf.
inline constexpr std::uint32_t kVersion = 4;

// What a device-table entry is. Values are stable.
enum class DeviceKind : std::uint32_t {
  kClint = 1,
  kPlic = 2,
  kUart = 3,
  kSystemController = 4,
  kDma = 5,
  kSramPimDispatcher = 6,
  kSramPimTile = 7,
  kHbmPimStack = 8,
};

struct Device {
  DeviceKind kind;
  std::uint32_t index;             // among the devices of its kind, from 0
  std::uint64_t register_address;  // base of its registers
  std::uint64_t memory_address;    // tile or stack memory, else 0
  std::uint64_t memory_bytes;
  std::uint32_t interrupt;  // PLIC source, 0: none
  std::uint32_t clock_hz;   // input clock of a UART or of the CLINT's mtime, else 0
};
static_assert(sizeof(Device) == 40);

struct ModelShape {
  std::uint32_t layers;
  std::uint32_t hidden;
  std::uint32_t heads;
  std::uint32_t kv_heads;
  std::uint32_t head_dim;
  std::uint32_t vocabulary;
  std::uint32_t max_positions;
  std::uint32_t end_token;  // 0xFFFFFFFF: the model has none
};
static_assert(sizeof(ModelShape) == 32);

// Which engine executes an operator's descriptors.
enum class Engine : std::uint8_t { kHbmPim = 1, kSramPim = 2, kDma = 3 };

// What an operator does: for reports, and for policies of the scheduler. Values are stable.
enum class OperatorKind : std::uint8_t {
  kEmbedding = 1,
  kNorm = 2,
  kKey = 3,
  kValue = 4,
  kQuery = 5,
  kAttention = 6,
  kProjection = 7,
  kFeedForward = 8,  // GEMVs of the feed-forward network
  kActivation = 9,
  kResidual = 10,
  kClassifier = 11,
  kProgramLoad = 12,
};

// A value that is known only at run time and is added to a field of a descriptor.
enum class PatchSource : std::uint8_t {
  kToken = 1,               // the token at the current position; not in chunk operators
  kPosition = 2,            // the current position, from 0; of a chunk the first
  kBlockTableAddress = 3,   // address of the block table of the operator's layer
  kChunkTokensAddress = 4,  // address of the chunk's first token id (u32); in chunk operators only
  kChunkTokenCount = 5,     // tokens of the chunk, 1 to chunk_tokens; in chunk operators only
  kPositionUpperHalf = 6,   // kPosition << 32: for the second of two u32 that make a u64
};

struct Patch {
  PatchSource source;
  std::uint8_t field_offset;  // of a u64 field in the descriptor, 8-byte aligned
  std::uint16_t reserved;
  std::uint32_t scale;  // field += value * scale
};
static_assert(sizeof(Patch) == 8);

// A descriptor as it goes into the ring of one device, apart from the patches.
struct DescriptorTemplate {
  std::uint32_t device;  // index in the device table
  std::uint32_t patch_count;
  Patch patches[4];
  std::uint8_t reserved[24];
  std::uint8_t descriptor[64];
};
static_assert(sizeof(DescriptorTemplate) == 128);

inline constexpr std::uint32_t kMaxPredecessors = 6;
// Of an operator for one device, which executes them one after the other.
inline constexpr std::uint32_t kMaxDeviceDescriptors = 60;
inline constexpr std::uint16_t kFlagNeedsLogits =
    1;  // skipped at positions whose logits are not needed; not in chunk operators
inline constexpr std::uint16_t kNoLayer = 0xFFFF;

// One step of a token, or of a chunk of prompt tokens. An operator is complete when all its
// descriptors are, and starts when all its predecessors are complete. Predecessors are indices in
// the operator's own list, smaller than its own.
struct Operator {
  Engine engine;
  OperatorKind kind;
  std::uint16_t flags;
  std::uint16_t layer;  // kNoLayer for those outside the layers
  std::uint16_t predecessor_count;
  std::uint32_t predecessors[kMaxPredecessors];
  std::uint32_t first_descriptor;
  std::uint32_t descriptor_count;  // at most kMaxDeviceDescriptors per device
  std::uint32_t name_offset;       // of a zero-terminated name in the string area, for traces
  std::uint32_t reserved;
};
static_assert(sizeof(Operator) == 48);

// A contiguous part of a stack's memory that the firmware may divide into KV blocks.
struct MemoryRegion {
  std::uint64_t address;
  std::uint64_t bytes;
};
static_assert(sizeof(MemoryRegion) == 16);

// When an operator may start. Values are stable.
enum class SchedulePolicy : std::uint32_t {
  kOverlapped = 0,  // as soon as its predecessors are complete
  kSerial = 1,      // one operator at a time: when all that have started are complete
};

inline constexpr std::uint32_t kRequestReplay = 1;     // take tokens from replay_address, see below
inline constexpr std::uint32_t kRequestPrintText = 2;  // print pieces on the UART
inline constexpr std::uint32_t kRequestIgnoreEnd = 4;  // do not stop at the end token
inline constexpr std::uint32_t kRequestAllLogits =
    8;  // compute logits at prompt positions too (PREDICTION markers)
inline constexpr std::uint32_t kRequestMarkOperators =
    16;  // OPERATOR_START and OPERATOR_DONE markers, value: operator index

// Leave out the space that the first printed piece starts with: sentencepiece-like tokenizers begin
// each text with one that was not there.
inline constexpr std::uint32_t kRequestDropFirstSpace = 32;

struct Request {
  std::uint32_t flags;
  std::uint32_t prompt_count;    // at least 1
  std::uint64_t prompt_address;  // u32 token ids
  std::uint32_t output_tokens;   // how many to generate at most
  std::uint32_t replay_count;  // kRequestReplay: generated token i is replay[i] if i < replay_count
  std::uint64_t replay_address;  // u32 token ids
  std::uint64_t seed;
  float temperature;    // 0: greedy
  std::uint32_t top_k;  // 0: off
  float top_p;          // 1: off
  SchedulePolicy policy;
};
static_assert(sizeof(Request) == 56);

struct PlanHeader {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t total_bytes;  // of the plan, from the header on; it is contiguous
  ModelShape model;

  std::uint32_t device_count;
  std::uint32_t operator_count;  // of a token
  std::uint32_t descriptor_count;
  std::uint32_t
      boot_descriptor_count;  // the first ones: run once, in order, before the first token
  // Chunks: up to chunk_tokens consecutive prompt tokens that the chunk operators process at once.
  // The firmware uses a chunk where at least chunk_least_tokens prompt tokens remain before the
  // last one, which always goes the way of a token because it makes the logits. A chunk begins at a
  // multiple of chunk_tokens.
  std::uint32_t chunk_operator_count;  // 0: none, and then the other two are 0
  std::uint32_t chunk_tokens;          // block_tokens
  std::uint32_t chunk_least_tokens;    // 1 to chunk_tokens
  std::uint32_t reserved;
  std::uint64_t devices_address;
  // First the operators of a token, then those of a chunk. An operator's number in markers and in
  // the headers of descriptors is its index here.
  std::uint64_t operators_address;
  std::uint64_t descriptors_address;
  std::uint64_t strings_address;

  std::uint32_t block_tokens;  // positions in a KV block
  std::uint32_t kv_region_count;
  std::uint64_t block_bytes;
  std::uint64_t kv_regions_address;

  std::uint64_t logits_address;  // FP16, vocabulary elements

  // Vocabulary as it is printed: piece i is bytes [offset[i], offset[i + 1]) of the piece area. 0
  // offsets address: no tokenizer, nothing is printed.
  std::uint64_t piece_offsets_address;  // u32, vocabulary + 1 entries
  std::uint64_t pieces_address;

  Request request;

  std::uint64_t free_memory_address;  // host memory that the firmware may use: rings, block tables
  std::uint64_t free_memory_bytes;
};
static_assert(sizeof(PlanHeader) == 8 + 8 + 32 + 16 + 16 + 32 + 8 + 16 + 8 + 16 + 56 + 16);

}  // namespace hpimvp::plan
