#include "models/hbm_pim/error_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace hpimvp::hbm_pim {
namespace {

// The highest random number that counts as inside a share, in 2^-53.
std::uint64_t share_limit(double share) {
  return static_cast<std::uint64_t>(std::ldexp(share, 53));
}

bool is_share(double value) {
  return value >= 0 && value <= 1;
}

void check_injection(const ErrorInjection& one, std::size_t index, std::uint32_t stacks,
                     std::uint64_t stack_bytes) {
  const auto fail = [&](const std::string& what) {
    throw std::invalid_argument(fmt::format("error {}: {}", index, what));
  };
  if (one.stack >= stacks) fail(fmt::format("there is no stack {}, only {}", one.stack, stacks));
  if (one.bits != 1 && one.bits != 2) fail("bits must be 1 or 2");
  if (one.offset && *one.offset >= stack_bytes) {
    fail(fmt::format("offset {} lies outside the stack's {} bytes", *one.offset, stack_bytes));
  }
  if (!one.offset && !one.gemv) fail("without an offset it needs the number of a GEMV");
}

}  // namespace

void check(const ErrorConfig& config, std::uint32_t stacks, std::uint64_t stack_bytes) {
  const bool rate_is_good =
      config.rate == 0 || (config.rate >= kLowestErrorRate && config.rate <= kHighestErrorRate);
  if (!rate_is_good) {
    throw std::invalid_argument(fmt::format("an error rate of {}: it must be 0, or from {} to {}",
                                            config.rate, kLowestErrorRate, kHighestErrorRate));
  }
  if (!is_share(config.double_share)) throw std::invalid_argument("double_share is not 0 to 1");
  if (!is_share(config.transient_share)) {
    throw std::invalid_argument("transient_share is not 0 to 1");
  }
  for (std::size_t i = 0; i < config.list.size(); ++i) {
    check_injection(config.list[i], i, stacks, stack_bytes);
  }
}

// ------------------------------------------------------------------ code words

void WrongBits::add(std::uint16_t position) {
  const std::uint32_t known = std::min<std::uint32_t>(count, 2);
  for (std::uint32_t i = 0; i < known; ++i) {
    if (positions[i] == position) return;  // a wrong bit is not more wrong
  }
  if (count < 2) positions[count] = position;
  ++count;
}

void WrongBits::add(const WrongBits& other) {
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(other.count, 2); ++i) {
    add(other.positions[i]);
  }
}

std::uint32_t WrongBits::syndrome() const {
  constexpr std::uint32_t kOdd = 1u << 9;
  std::uint32_t result = count % 2 == 1 ? kOdd : 0;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(count, 2); ++i) result ^= positions[i];
  return result;
}

EccOutcome& EccOutcome::operator+=(const EccOutcome& later) {
  if (uncorrected == 0) failed_offset = later.failed_offset;
  corrected += later.corrected;
  uncorrected += later.uncorrected;
  return *this;
}

// ------------------------------------------------------------------ random numbers

std::uint64_t ErrorRandom::next() {
  state_ += 0x9E3779B97F4A7C15;
  std::uint64_t value = state_;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

std::uint64_t ErrorRandom::below(std::uint64_t limit) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(next()) * limit >> 64);
}

bool ErrorRandom::with_share(double share) {
  return next() >> 11 < share_limit(share);
}

// Of numbers drawn until one is larger than its predecessor, an even count accepts the first one as
// the fraction; every rejection adds a whole mean.
std::uint64_t ErrorRandom::exponential(std::uint64_t mean) {
  for (std::uint64_t whole = 0;; ++whole) {
    const std::uint64_t first = next();
    std::uint64_t previous = first;
    bool even = false;
    for (std::uint64_t drawn = next();; drawn = next()) {
      even = !even;
      if (drawn > previous) break;
      previous = drawn;
    }
    if (!even) continue;
    const auto fraction = static_cast<unsigned __int128>(first) * mean >> 64;
    return whole * mean + static_cast<std::uint64_t>(fraction);
  }
}

// ------------------------------------------------------------------ the model

ErrorModel::ErrorModel(const ErrorConfig& config, std::uint32_t stack)
    : double_share_(config.double_share),
      transient_share_(config.transient_share),
      random_(ErrorRandom(ErrorRandom(config.seed).next() + stack).next()) {
  // Random numbers of their own, so that an entry more does not change the random errors.
  ErrorRandom list_random(random_.next());
  for (const ErrorInjection& one : config.list) {
    if (one.stack != stack) continue;
    (one.gemv ? by_gemv_ : by_time_).push_back({one, draw_bits(list_random, one.bits)});
  }
  const auto later_first = [](const auto& key) {
    return [key](const Waiting& a, const Waiting& b) { return key(a) > key(b); };
  };
  std::stable_sort(by_time_.begin(), by_time_.end(),
                   later_first([](const Waiting& w) { return w.injection.from_ps; }));
  std::stable_sort(by_gemv_.begin(), by_gemv_.end(),
                   later_first([](const Waiting& w) { return *w.injection.gemv; }));
  if (config.rate > 0) {
    mean_bits_ = static_cast<std::uint64_t>(std::llround(1e12 / config.rate));
    bits_until_next_ = random_.exponential(mean_bits_);
  }
  active_ = mean_bits_ != 0 || !by_time_.empty() || !by_gemv_.empty();
}

EccOutcome ErrorModel::read(std::uint64_t time_ps, std::uint64_t offset, std::uint64_t length) {
  begin_access(time_ps);
  const std::uint64_t first = offset / kEccWordBytes;
  const std::uint64_t last = (offset + length - 1) / kEccWordBytes;
  draw(last - first + 1, [first](std::uint64_t word) { return first + word; });
  touch(first, last);
  return judge();
}

EccOutcome ErrorModel::write(std::uint64_t time_ps, std::uint64_t offset, std::uint64_t length) {
  begin_access(time_ps);
  EccOutcome outcome;
  const std::uint64_t end = offset + length;
  auto word = stored_.lower_bound(offset / kEccWordBytes);
  while (word != stored_.end() && word->first * kEccWordBytes < end) {
    const std::uint64_t start = word->first * kEccWordBytes;
    const bool is_whole = offset <= start && start + kEccWordBytes <= end;
    if (!is_whole && word->second.is_corrected()) record(word->first, word->second, outcome);
    const bool is_right = is_whole || word->second.is_corrected();
    word = is_right ? stored_.erase(word) : std::next(word);
  }
  return outcome;
}

EccOutcome ErrorModel::read_weights(std::uint64_t time_ps, const WordSet& weights) {
  begin_access(time_ps);
  start_gemv(weights);
  return read_words(weights);
}

EccOutcome ErrorModel::read_words(const WordSet& words) {
  hits_.clear();
  draw(words.count(), [&](std::uint64_t word) { return words.offset(word) / kEccWordBytes; });
  touch(words);
  return judge();
}

void ErrorModel::write_words(const WordSet& words) {
  for_each_in(stored_, words, [this](Words::iterator word) { return stored_.erase(word); });
}

void ErrorModel::begin_access(std::uint64_t time_ps) {
  hits_.clear();
  while (!by_time_.empty() && by_time_.back().injection.from_ps <= time_ps) {
    const Waiting& due = by_time_.back();
    arm(*due.injection.offset / kEccWordBytes, due.injection.kind, due.bits);
    by_time_.pop_back();
  }
}

void ErrorModel::start_gemv(const WordSet& weights) {
  const std::uint64_t number = gemvs_++;
  while (!by_gemv_.empty() && *by_gemv_.back().injection.gemv <= number) {
    const Waiting& due = by_gemv_.back();
    const ErrorInjection& one = due.injection;
    const std::uint64_t offset = one.offset ? *one.offset : weights.offset(0);
    arm(offset / kEccWordBytes, one.kind, due.bits);
    by_gemv_.pop_back();
  }
}

void ErrorModel::arm(std::uint64_t burst, ErrorKind kind, const WrongBits& bits) {
  (kind == ErrorKind::kStored ? stored_ : transient_)[burst].add(bits);
}

WrongBits ErrorModel::draw_bits(ErrorRandom& random, std::uint32_t count) {
  WrongBits bits;
  while (bits.count < count) bits.add(static_cast<std::uint16_t>(random.below(kEccWordBits)));
  return bits;
}

template <typename BurstOf>
void ErrorModel::draw(std::uint64_t words, BurstOf&& burst_of) {
  if (mean_bits_ == 0) return;
  const std::uint64_t bits = words * kEccDataBits;
  while (bits_until_next_ < bits) {
    const std::uint64_t burst = burst_of(bits_until_next_ / kEccDataBits);
    const WrongBits wrong = draw_bits(random_, random_.with_share(double_share_) ? 2 : 1);
    if (random_.with_share(transient_share_)) {
      hits_[burst].add(wrong);
    } else {
      stored_[burst].add(wrong);
    }
    bits_until_next_ += random_.exponential(mean_bits_);
  }
  bits_until_next_ -= bits;
}

void ErrorModel::touch(std::uint64_t first, std::uint64_t last) {
  for (auto word = stored_.lower_bound(first); word != stored_.end() && word->first <= last;
       ++word) {
    hits_[word->first].add(word->second);
  }
  for (auto word = transient_.lower_bound(first);
       word != transient_.end() && word->first <= last;) {
    hits_[word->first].add(word->second);
    word = transient_.erase(word);
  }
}

void ErrorModel::touch(const WordSet& words) {
  for_each_in(stored_, words, [this](Words::iterator word) {
    hits_[word->first].add(word->second);
    return std::next(word);
  });
  for_each_in(transient_, words, [this](Words::iterator word) {
    hits_[word->first].add(word->second);
    return transient_.erase(word);
  });
}

// By way of whichever are fewer.
template <typename Use>
void ErrorModel::for_each_in(Words& wrong, const WordSet& words, Use&& use) {
  if (wrong.size() <= words.count()) {
    for (auto word = wrong.begin(); word != wrong.end();) {
      word = words.contains(word->first * kEccWordBytes) ? use(word) : std::next(word);
    }
    return;
  }
  for (std::uint64_t i = 0; i < words.count(); ++i) {
    const auto word = wrong.find(words.offset(i) / kEccWordBytes);
    if (word != wrong.end()) use(word);
  }
}

EccOutcome ErrorModel::judge() {
  EccOutcome outcome;
  for (const auto& [burst, bits] : hits_) record(burst, bits, outcome);
  return outcome;
}

void ErrorModel::record(std::uint64_t burst, const WrongBits& bits, EccOutcome& outcome) {
  const std::uint64_t offset = burst * kEccWordBytes;
  if (bits.is_corrected()) {
    ++outcome.corrected;
    ++log_.corrected;
    log_.corrected_offset = offset;
    log_.corrected_syndrome = bits.syndrome();
    return;
  }
  if (outcome.uncorrected == 0) outcome.failed_offset = offset;
  ++outcome.uncorrected;
  ++log_.uncorrected;
  log_.uncorrected_offset = offset;
  log_.uncorrected_syndrome = bits.syndrome();
}

}  // namespace hpimvp::hbm_pim
