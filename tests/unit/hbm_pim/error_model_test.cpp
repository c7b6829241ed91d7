// On-die ECC against a code that the test builds bit by bit, random errors against the
// distributions that they are said to have, and the model against a plain bookkeeping of which
// bursts are wrong.
#include "models/hbm_pim/error_model.h"

#include <bitset>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test

namespace {

using CodeWord = std::bitset<kEccWordBits>;

bool is_check_position(std::size_t position) {
  return (position & (position - 1)) == 0;  // 0 and the powers of two
}

// The sums that the code makes even: bit n of the result is the parity of the positions that have
// bit n, and bit 9 the parity of all.
std::uint32_t parities(const CodeWord& word) {
  std::uint32_t result = 0;
  for (unsigned n = 0; n < 9; ++n) {
    bool parity = false;
    for (std::size_t position = 0; position < kEccWordBits; ++position) {
      if ((position >> n & 1) != 0) parity ^= word[position];
    }
    result |= static_cast<std::uint32_t>(parity) << n;
  }
  return result | static_cast<std::uint32_t>(word.count() % 2) << 9;
}

CodeWord encode(std::mt19937_64& random) {
  CodeWord word;
  std::size_t data_bits = 0;
  for (std::size_t position = 0; position < kEccWordBits; ++position) {
    if (is_check_position(position)) continue;
    word[position] = random() % 2 == 0;
    ++data_bits;
  }
  REQUIRE(data_bits == kEccDataBits);
  const std::uint32_t sums = parities(word);
  for (unsigned n = 0; n < 9; ++n) word[std::size_t{1} << n] = (sums >> n & 1) != 0;
  word[0] = word.count() % 2 == 1;
  REQUIRE(parities(word) == 0);
  return word;
}

WrongBits wrong(std::initializer_list<std::size_t> positions) {
  WrongBits bits;
  for (const std::size_t position : positions) bits.add(static_cast<std::uint16_t>(position));
  return bits;
}

// A set of bursts in no particular order.
class Bursts final : public WordSet {
 public:
  explicit Bursts(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}
  std::uint64_t count() const override { return numbers_.size(); }
  std::uint64_t offset(std::uint64_t index) const override { return numbers_[index] * 32; }
  bool contains(std::uint64_t offset) const override {
    return std::find(numbers_.begin(), numbers_.end(), offset / 32) != numbers_.end();
  }

 private:
  std::vector<std::uint64_t> numbers_;
};

ErrorInjection injection(ErrorKind kind, std::uint32_t bits, std::uint64_t offset) {
  ErrorInjection one;
  one.kind = kind;
  one.bits = bits;
  one.offset = offset;
  return one;
}

ErrorModel with(std::initializer_list<ErrorInjection> list) {
  ErrorConfig config;
  config.list = list;
  return ErrorModel(config, 0);
}

std::string complaint(const ErrorConfig& config) {
  try {
    check(config, 4, 1 << 20);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every single wrong bit of a code word has a syndrome of its own", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(81);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  const CodeWord good = encode(random);
  std::set<std::uint32_t> syndromes;
  for (std::size_t a = 0; a < kEccWordBits; ++a) {
    CodeWord bad = good;
    bad.flip(a);
    REQUIRE(wrong({a}).syndrome() == parities(bad));
    REQUIRE(wrong({a}).is_corrected());
    syndromes.insert(parities(bad));
  }
  CHECK(syndromes.size() == kEccWordBits);
  CHECK(syndromes.count(0) == 0);
}

TEST_CASE("no pair of wrong bits looks like none or like a single one", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(82);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  const CodeWord good = encode(random);
  unsigned pairs = 0;
  for (std::size_t a = 0; a < kEccWordBits; ++a) {
    for (std::size_t b = a + 1; b < kEccWordBits; ++b) {
      const WrongBits bits = wrong({a, b});
      // Linear: the syndrome of a pair is that of its parts together.
      const std::uint32_t expected = wrong({a}).syndrome() ^ wrong({b}).syndrome();
      if (bits.syndrome() != expected || expected == 0 || (expected >> 9) != 0 ||
          bits.is_corrected()) {
        FAIL("positions " << a << " and " << b);
      }
      if (++pairs % 1000 != 0) continue;
      CodeWord bad = good;
      bad.flip(a).flip(b);
      REQUIRE(parities(bad) == expected);
    }
  }
  CHECK(pairs == 266 * 265 / 2);
}

TEST_CASE("the same wrong bit twice is one wrong bit, and three are not corrected", "[error]") {
  WrongBits bits = wrong({17, 17});
  CHECK(bits.count == 1);
  bits.add(wrong({17, 40}));
  CHECK(bits.count == 2);
  bits.add(wrong({3}));
  CHECK_FALSE(bits.is_corrected());
}

TEST_CASE("a model without errors is off", "[error]") {
  CHECK_FALSE(ErrorModel(ErrorConfig{}, 0).is_active());
  ErrorConfig other_stack;
  other_stack.list = {injection(ErrorKind::kStored, 2, 0)};
  other_stack.list[0].stack = 1;
  CHECK_FALSE(ErrorModel(other_stack, 0).is_active());
  CHECK(ErrorModel(other_stack, 1).is_active());
}

TEST_CASE("a transient error spoils one read, a stored one all until it is written", "[error]") {
  ErrorModel model =
      with({injection(ErrorKind::kTransient, 2, 0x100), injection(ErrorKind::kStored, 1, 0x208)});
  CHECK(model.read(0, 0, 0x100).is_clean());
  const EccOutcome first = model.read(0, 0x118, 0x108);
  CHECK(first.uncorrected == 1);
  CHECK(first.failed_offset == 0x100);
  CHECK(first.corrected == 1);  // 0x220 is the first byte that is not read
  CHECK(model.log().uncorrected_offset == 0x100);
  CHECK(model.log().corrected_offset == 0x200);
  CHECK((model.log().corrected_syndrome >> 9) == 1);
  CHECK((model.log().uncorrected_syndrome >> 9) == 0);
  const EccOutcome second = model.read(0, 0x100, 0x120);
  CHECK(second.uncorrected == 0);
  CHECK(second.corrected == 1);
  CHECK(model.write(0, 0x200, 32).is_clean());
  CHECK(model.read(0, 0x100, 0x120).is_clean());
  CHECK(model.log().corrected == 2);
  CHECK(model.log().uncorrected == 1);
}

TEST_CASE("a write that covers a word in part corrects one wrong bit and leaves two", "[error]") {
  ErrorModel model =
      with({injection(ErrorKind::kStored, 1, 0), injection(ErrorKind::kStored, 2, 32)});
  CHECK(model.write(0, 30, 4).corrected == 1);
  CHECK(model.read(0, 0, 32).is_clean());
  CHECK(model.read(0, 32, 1).uncorrected == 1);
  CHECK(model.write(0, 0, 64).is_clean());
  CHECK(model.read(0, 0, 64).is_clean());
}

TEST_CASE("errors come when their time or their GEMV comes", "[error]") {
  ErrorInjection timed = injection(ErrorKind::kStored, 1, 0);
  timed.from_ps = 1000;
  ErrorInjection second_gemv = injection(ErrorKind::kTransient, 2, 0);
  second_gemv.gemv = 1;
  second_gemv.offset.reset();
  ErrorModel model = with({timed, second_gemv});
  const Bursts weights({77, 5, 6});
  CHECK(model.read(999, 0, 32).is_clean());
  CHECK(model.read_weights(999, weights).is_clean());
  CHECK(model.read(1000, 0, 32).corrected == 1);
  const EccOutcome outcome = model.read_weights(1001, weights);
  CHECK(outcome.uncorrected == 1);
  CHECK(outcome.failed_offset == 77 * 32);
  CHECK(model.read_weights(1002, weights).is_clean());  // as a retry would find it
}

TEST_CASE("a GEMV trips over stored errors in its weights only", "[error]") {
  ErrorModel model = with(
      {injection(ErrorKind::kStored, 2, 6 * 32 + 7), injection(ErrorKind::kTransient, 1, 9 * 32)});
  CHECK(model.read_weights(0, Bursts({5, 7, 8})).is_clean());
  CHECK(model.read_weights(0, Bursts({9, 5})).corrected == 1);
  for (int retry = 0; retry < 3; ++retry) {
    CHECK(model.read_weights(0, Bursts({9, 6})).failed_offset == 6 * 32);
  }
}

TEST_CASE("two single errors of a word make a double one", "[error]") {
  ErrorConfig config;
  config.list = {injection(ErrorKind::kStored, 1, 0), injection(ErrorKind::kStored, 1, 1)};
  config.list[1].from_ps = 10;
  // The bits are drawn: a seed for which they differ, which 265 of 266 do.
  ErrorModel model(config, 0);
  CHECK(model.read(0, 0, 1).corrected == 1);
  CHECK(model.read(10, 0, 1).uncorrected == 1);
}

TEST_CASE("distances between random errors are exponential", "[error]") {
  constexpr std::uint64_t kMean = 1'000'003;
  constexpr int kDraws = 200'000;
  constexpr int kClasses = 50;
  ErrorRandom random(12345);
  // Classes of equal probability: the limits are quantiles of the exponential distribution.
  std::vector<double> limits;
  for (int i = 1; i < kClasses; ++i) {
    limits.push_back(-std::log(1 - static_cast<double>(i) / kClasses) * kMean);
  }
  std::vector<int> counts(kClasses);
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto value = static_cast<double>(random.exponential(kMean));
    sum += value;
    ++counts[std::upper_bound(limits.begin(), limits.end(), value) - limits.begin()];
  }
  CHECK(sum / kDraws == Approx(kMean).epsilon(0.01));
  double chi_square = 0;
  for (const int count : counts) {
    const double expected = static_cast<double>(kDraws) / kClasses;
    chi_square += (count - expected) * (count - expected) / expected;
  }
  CHECK(chi_square < 85.4);  // 49 degrees of freedom, 99.9 %
}

TEST_CASE("random errors come at their rate, whatever the size of accesses", "[error]") {
  ErrorConfig config;
  config.rate = 1e8;  // one in 10,000 bits
  config.double_share = 0.25;
  config.transient_share = 1;
  std::mt19937_64 random(7);
  std::uint64_t words = 0;
  ErrorModel model(config, 2);
  while (words < 2'000'000) {
    if (random() % 8 == 0) {
      std::vector<std::uint64_t> numbers(1 + random() % 300);
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 5000 + i;
      model.read_weights(0, Bursts(numbers));
      words += numbers.size();
    } else {
      const std::uint64_t length = 1 + random() % 4096;
      model.read(0, 32 * (random() % 1000), length);
      words += (length + 31) / 32;
    }
  }
  const double expected = static_cast<double>(words) * 256 / 1e4;  // about 51,200
  const auto doubles = static_cast<double>(model.log().uncorrected);
  const double all = doubles + static_cast<double>(model.log().corrected);
  // Two errors of one word in an access count once: 1.3 % of neighbours at this rate.
  CHECK(all == Approx(expected).epsilon(0.03));
  CHECK(doubles / all == Approx(0.25).epsilon(0.1));
  CHECK(model.stored_words() == 0);
}

TEST_CASE("random errors follow from seed and stack alone", "[error]") {
  const auto trace = [](std::uint64_t seed, std::uint32_t stack) {
    ErrorConfig config;
    config.rate = 1e7;
    config.seed = seed;
    config.double_share = 0.5;
    config.transient_share = 0.5;
    ErrorModel model(config, stack);
    std::vector<std::uint64_t> found;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const EccOutcome outcome = model.read(i, 4096 * (i % 100), 4096);
      found.insert(found.end(), {outcome.corrected, outcome.uncorrected, outcome.failed_offset});
    }
    return found;
  };
  CHECK(trace(1, 0) == trace(1, 0));
  CHECK(trace(1, 0) != trace(2, 0));
  CHECK(trace(1, 0) != trace(1, 1));
}

TEST_CASE("the same numbers on every host", "[error]") {
  // SplitMix64 from state 0: the first outputs as its authors' reference gives them.
  ErrorRandom random(0);
  CHECK(random.next() == 0xE220A8397B1DCDAF);
  CHECK(random.next() == 0x6E789E6AA1B965F4);
  CHECK(random.next() == 0x06C45D188009454F);
}

TEST_CASE("random accesses agree with a plain list of wrong words", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(83);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  constexpr std::uint64_t kBursts = 64;
  for (int round = 0; round < 300; ++round) {
    ErrorConfig config;
    // At most one entry a burst, so that no bits are drawn twice.
    std::map<std::uint64_t, ErrorInjection> expected;
    for (int i = 0; i < 12; ++i) {
      const std::uint64_t burst = random() % kBursts;
      if (expected.count(burst) != 0) continue;
      const auto kind = random() % 2 == 0 ? ErrorKind::kStored : ErrorKind::kTransient;
      ErrorInjection one = injection(kind, 1 + random() % 2, burst * 32 + random() % 32);
      one.from_ps = random() % 100;
      expected[burst] = one;
      config.list.push_back(one);
    }
    ErrorModel model(config, 0);
    for (std::uint64_t time = 0; time < 200; ++time) {
      const std::uint64_t offset = random() % (kBursts * 32 - 200);
      const std::uint64_t length = 1 + random() % 200;
      const bool is_write = random() % 4 == 0;
      std::uint64_t corrected = 0;
      std::uint64_t uncorrected = 0;
      for (auto entry = expected.begin(); entry != expected.end();) {
        const std::uint64_t start = entry->first * 32;
        const ErrorInjection& one = entry->second;
        const bool is_touched = offset < start + 32 && start < offset + length;
        const bool is_whole = offset <= start && start + 32 <= offset + length;
        const bool is_stored = one.kind == ErrorKind::kStored;
        bool goes = false;
        if (is_touched && one.from_ps <= time && !is_write) {
          (one.bits == 1 ? corrected : uncorrected) += 1;
          goes = !is_stored;
        } else if (is_touched && one.from_ps <= time && is_stored) {
          if (!is_whole && one.bits == 1) ++corrected;
          goes = is_whole || one.bits == 1;
        }
        entry = goes ? expected.erase(entry) : std::next(entry);
      }
      const EccOutcome outcome =
          is_write ? model.write(time, offset, length) : model.read(time, offset, length);
      REQUIRE(outcome.corrected == corrected);
      REQUIRE(outcome.uncorrected == uncorrected);
    }
  }
}

TEST_CASE("a configuration that makes no sense is refused with a reason", "[error]") {
  CHECK(complaint(ErrorConfig{}).empty());
  ErrorConfig rate;
  rate.rate = 1e-9;
  CHECK_THAT(complaint(rate), Catch::Contains("rate"));
  ErrorConfig share;
  share.double_share = 1.5;
  CHECK_THAT(complaint(share), Catch::Contains("double_share"));
  ErrorConfig list;
  list.list = {injection(ErrorKind::kStored, 3, 0)};
  CHECK_THAT(complaint(list), Catch::Contains("error 0: bits must be 1 or 2"));
  list.list = {injection(ErrorKind::kStored, 1, 0), injection(ErrorKind::kStored, 1, 1 << 20)};
  CHECK_THAT(complaint(list), Catch::Contains("error 1: offset 1048576 lies outside"));
  list.list = {injection(ErrorKind::kStored, 1, 0)};
  list.list[0].stack = 4;
  CHECK_THAT(complaint(list), Catch::Contains("no stack 4"));
  list.list[0].stack = 3;
  list.list[0].offset.reset();
  CHECK_THAT(complaint(list), Catch::Contains("number of a GEMV"));
}
