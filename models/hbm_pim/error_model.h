// Wrong bits in a stack's memory, and the on-die ECC that corrects or detects them.
//
// The code word is a burst: 32 bytes of data and 10 check bits beside them, in an extended Hamming
// code (R. W. Hamming, Bell System Technical Journal 29(2), 1950, section 4): one wrong bit is
// corrected, two are detected. HBM3 has on-die ECC and tells the severity of what it found with
// every burst (JESD238), but the code is the vendor's choice. Three or more wrong bits in a word
// count as detected here; a real code may take some of them for a single one.
//
// Errors come from a list, and at random at a rate per bit read. A `stored` error stays until the
// burst is written; a `transient` one spoils a single read. Data never needs to be spoiled: what is
// corrected is right, and what is not corrected is not delivered. So the model only keeps which
// bits of which bursts are wrong, and behaves alike in functional and timing mode.
//
// Plain class; error_registers.h shows it to software. All numbers are integers and every draw
// follows from the seed, so that a run is the same on every host.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hpimvp::hbm_pim {

inline constexpr std::uint32_t kEccDataBits = 256;  // of a burst of 32 bytes
inline constexpr std::uint32_t kEccWordBits = 266;
inline constexpr std::uint32_t kEccWordBytes = 32;  // of data

enum class ErrorKind : std::uint8_t { kStored, kTransient };

// An entry of the list.
struct ErrorInjection {
  std::uint32_t stack = 0;
  std::uint32_t bits = 1;  // 1 or 2, of one code word
  ErrorKind kind = ErrorKind::kTransient;
  // The byte in the stack's memory whose burst is hit. Without it (only with `gemv`), the first
  // burst of the weights that the GEMV reads.
  std::optional<std::uint64_t> offset;
  // From when on: from the stack's GEMV of this number (0: its first), else from a time.
  std::optional<std::uint64_t> gemv;
  std::uint64_t from_ps = 0;

  friend bool operator==(const ErrorInjection&, const ErrorInjection&) = default;
};

// The same for all stacks of a machine; each draws its own random errors.
struct ErrorConfig {
  std::uint64_t seed = 1;
  double rate = 0;                   // random errors per 10^12 bits read; 0: none
  double double_share = 0;           // of the random errors: two bits of a code word
  double transient_share = 1;        // of the random errors: not stored
  bool corrected_interrupt = false;  // ECC_CONTROL.CORRECTED_INTERRUPT at reset
  std::vector<ErrorInjection> list;

  friend bool operator==(const ErrorConfig&, const ErrorConfig&) = default;
};

// Rates that the model can draw from.
inline constexpr double kLowestErrorRate = 1e-3;
inline constexpr double kHighestErrorRate = 1e10;

// Throws std::invalid_argument naming the first value that makes no sense for a machine of `stacks`
// stacks of `stack_bytes` bytes.
void check(const ErrorConfig& config, std::uint32_t stacks, std::uint64_t stack_bytes);

// Wrong bits of a code word, by position: 0 is the parity of the whole word, the powers of two are
// check bits, and the other positions up to 265 are the data bits in ascending order.
struct WrongBits {
  std::array<std::uint16_t, 2> positions{};
  std::uint32_t count = 0;  // may exceed 2: then `positions` are two of them

  void add(std::uint16_t position);
  void add(const WrongBits& other);
  bool is_corrected() const { return count == 1; }
  // Bits 8..0: exclusive or of the wrong positions. Bit 9: their number is odd.
  std::uint32_t syndrome() const;
};

// What ECC found in the code words of one access.
struct EccOutcome {
  std::uint64_t corrected = 0;
  std::uint64_t uncorrected = 0;
  std::uint64_t failed_offset = 0;  // of the first word that was not corrected: its first byte

  bool is_clean() const { return corrected == 0 && uncorrected == 0; }
  // What was found later.
  EccOutcome& operator+=(const EccOutcome& later);
};

// What ECC has found since construction. Offsets and syndromes are those of the last word found.
struct EccLog {
  std::uint64_t corrected = 0;
  std::uint64_t uncorrected = 0;
  std::uint64_t corrected_offset = 0;
  std::uint64_t uncorrected_offset = 0;
  std::uint32_t corrected_syndrome = 0;
  std::uint32_t uncorrected_syndrome = 0;
};

// Code words that are read at once: those of a GEMV's weights, or of one command of a program.
class WordSet {
 public:
  virtual std::uint64_t count() const = 0;
  // Offset in the stack's memory of word `index`, below count().
  virtual std::uint64_t offset(std::uint64_t index) const = 0;
  // Whether the word at `offset` is one of them.
  virtual bool contains(std::uint64_t offset) const = 0;

 protected:
  ~WordSet() = default;
};

// Uniform 64-bit numbers: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class ErrorRandom {
 public:
  explicit ErrorRandom(std::uint64_t state) : state_(state) {}

  std::uint64_t next();
  std::uint64_t below(std::uint64_t limit);  // limit at least 1
  bool with_share(double share);             // true in this share of cases
  // Exponentially distributed with this mean, rounded down; mean below 2^56. By comparisons of
  // uniform numbers only (von Neumann, "Various techniques used in connection with random digits",
  // 1951), so that no host's logarithm has a say.
  std::uint64_t exponential(std::uint64_t mean);

 private:
  std::uint64_t state_;
};

class ErrorModel {
 public:
  // `config` has passed check(). Only the entries of `stack` are this model's.
  ErrorModel(const ErrorConfig& config, std::uint32_t stack);

  // False: no error can ever come, and the calls below need not be made.
  bool is_active() const { return active_; }

  // A normal read of `length` bytes: at least 1. If the outcome has uncorrected words, the data
  // must not be delivered.
  EccOutcome read(std::uint64_t time_ps, std::uint64_t offset, std::uint64_t length);
  // A normal write. Words that it covers are right again. Of a word that it covers in part the
  // memory reads the rest first: a single error is corrected, a double one stays.
  EccOutcome write(std::uint64_t time_ps, std::uint64_t offset, std::uint64_t length);
  // A GEMV that starts now. If the outcome has uncorrected words, its result is worth nothing.
  EccOutcome read_weights(std::uint64_t time_ps, const WordSet& weights);
  // A program of PIM commands that starts now; then its commands' reads and writes of whole words,
  // in order (program_errors.h).
  void start_program(std::uint64_t time_ps) { begin_access(time_ps); }
  EccOutcome read_words(const WordSet& words);
  void write_words(const WordSet& words);

  const EccLog& log() const { return log_; }
  // Words that are wrong as they stand in the cells, as far as anything has noticed time go by.
  std::uint64_t stored_words() const { return stored_.size(); }

 private:
  using Words = std::map<std::uint64_t, WrongBits>;  // by burst number
  struct Waiting {
    ErrorInjection injection;
    WrongBits bits;
  };

  void begin_access(std::uint64_t time_ps);
  void arm(std::uint64_t burst, ErrorKind kind, const WrongBits& bits);
  void start_gemv(const WordSet& weights);
  static WrongBits draw_bits(ErrorRandom& random, std::uint32_t count);
  // Random errors in an access to `words` words of which word i is burst burst_of(i).
  template <typename BurstOf>
  void draw(std::uint64_t words, BurstOf&& burst_of);
  // Moves armed transient errors that the access touches to hits_, and copies stored ones.
  void touch(std::uint64_t first, std::uint64_t last);
  void touch(const WordSet& words);
  // Calls use(iterator) for each entry of `wrong` that is one of `words`; it returns the next
  // entry.
  template <typename Use>
  static void for_each_in(Words& wrong, const WordSet& words, Use&& use);
  EccOutcome judge();
  void record(std::uint64_t burst, const WrongBits& bits, EccOutcome& outcome);

  double double_share_;
  double transient_share_;
  ErrorRandom random_;
  bool active_ = false;
  std::uint64_t mean_bits_ = 0;        // between two random errors; 0: there are none
  std::uint64_t bits_until_next_ = 0;  // to be read before the next random error

  std::vector<Waiting> by_time_;  // the next one last
  std::vector<Waiting> by_gemv_;  // likewise
  std::uint64_t gemvs_ = 0;       // started

  Words stored_;
  Words transient_;  // spoil the next read that touches them
  Words hits_;       // of the access under way
  EccLog log_;
};

}  // namespace hpimvp::hbm_pim
