// The closed forms of systolic_array.h against an array that is simulated register by register and
// cycle by cycle. Its values come out right only if weights, data and partial sums meet when they
// should, so the simulated schedule is one that an array can really keep.
#include "models/sram_pim/systolic_array.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test

namespace {

using Random = std::mt19937_64;
using Value = std::int64_t;  // exact: what is added in which order does not matter here

template <typename T>
class Grid {
 public:
  Grid(std::size_t rows, std::size_t columns) : columns_(columns), cells_(rows * columns) {}
  T& operator()(std::size_t row, std::size_t column) { return cells_[row * columns_ + column]; }
  const T& operator()(std::size_t row, std::size_t column) const {
    return cells_[row * columns_ + column];
  }
  friend bool operator==(const Grid&, const Grid&) = default;

 private:
  std::size_t columns_;
  std::vector<T> cells_;
};
using Matrix = Grid<Value>;

struct Case {
  ArrayShape array;
  MatrixProduct product;
  Matrix a;
  Matrix w;
  Matrix c;  // before

  Case(const ArrayShape& shape, const MatrixProduct& p, Random& random)
      : array(shape), product(p), a(p.rows, p.depth), w(p.depth, p.columns), c(p.rows, p.columns) {
    const auto fill = [&](Matrix& matrix, std::size_t rows, std::size_t columns) {
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < columns; ++j) {
          matrix(i, j) = static_cast<Value>(random() % 2001) - 1000;
        }
      }
    };
    fill(a, p.rows, p.depth);
    fill(w, p.depth, p.columns);
    fill(c, p.rows, p.columns);
  }

  Matrix result() const {
    Matrix sum = c;
    for (std::size_t i = 0; i < product.rows; ++i) {
      for (std::size_t l = 0; l < product.depth; ++l) {
        for (std::size_t j = 0; j < product.columns; ++j) sum(i, j) += a(i, l) * w(l, j);
      }
    }
    return sum;
  }
};

struct Part {
  std::size_t row, rows;        // of A
  std::size_t inner, depth;     // of A's columns
  std::size_t column, columns;  // of W
  std::size_t load_start = 0, start = 0;
  bool loading = false, started = false;
};

std::size_t piece(std::size_t at, std::size_t size, std::size_t whole) {
  return std::min(size, whole - at);
}

// ------------------------------------------------------------------ weight stationary

struct PartialSum {
  Value value;
  std::size_t part;
  std::size_t row;  // of the block
};

class WeightStationaryArray {
 public:
  explicit WeightStationaryArray(const Case& one)
      : one_(one),
        height_(one.array.height),
        width_(one.array.width),
        weights_(height_, width_),
        shadow_(height_, width_),
        data_(height_, width_),
        sums_(height_, width_),
        accumulators_(one.array.accumulators, width_),
        ready_(one.array.accumulators, width_),
        result_(one.product.rows, one.product.columns) {
    const MatrixProduct& p = one.product;
    for (std::size_t i = 0; i < p.rows; i += one.array.accumulators) {
      for (std::size_t j = 0; j < p.columns; j += width_) {
        for (std::size_t l = 0; l < p.depth; l += height_) {
          parts_.push_back({i, piece(i, one.array.accumulators, p.rows), l,
                            piece(l, height_, p.depth), j, piece(j, width_, p.columns)});
        }
      }
    }
  }

  // Cycles until the last result has left.
  std::size_t run() {
    left_ = one_.product.rows * one_.product.columns;
    while (left_ > 0) {
      control();
      step();
      ++now_;
      REQUIRE(now_ < 1'000'000);
    }
    return now_;
  }
  const Matrix& result() const { return result_; }

 private:
  struct Datum {
    Value value;
    bool first;  // swaps the weights in
  };

  // Starts a part of W when its weights are there, the rows of A before it have gone in, and the
  // partial sums that it continues are back; loads the next part as soon as the wave of swaps
  // begins.
  void control() {
    if (next_ < parts_.size()) {
      Part& part = parts_[next_];
      const bool loaded = part.loading && now_ >= part.load_start + part.depth;
      const bool fed = next_ == 0 || now_ >= parts_[next_ - 1].start + parts_[next_ - 1].rows;
      const bool continues = part.inner > 0;
      const bool back = !continues || (sums_of_ == next_ - 1 && ready_(0, 0) <= now_);
      if (loaded && fed && back) {
        part.start = now_;
        part.started = true;
        ++next_;
      }
    }
    const bool may_load = next_ < parts_.size() && !parts_[next_].loading;
    if (may_load) {
      parts_[next_].loading = true;
      parts_[next_].load_start = now_;
    }
  }

  void step() {
    const Grid<Value> shadow = shadow_;
    const Grid<std::optional<Datum>> data = data_;
    const Grid<std::optional<PartialSum>> sums = sums_;
    for (std::size_t r = 0; r < height_; ++r) {
      for (std::size_t c = 0; c < width_; ++c) {
        const std::optional<Datum> datum = c == 0 ? feed(r) : data(r, c - 1);
        const std::optional<PartialSum> above = r == 0 ? top(c) : sums(r - 1, c);
        data_(r, c) = datum;
        if (datum && datum->first) weights_(r, c) = shadow(r, c);
        sums_(r, c) = above;
        if (above) {
          REQUIRE(datum);
          sums_(r, c)->value += datum->value * weights_(r, c);
        }
        load(r, c, shadow);
      }
    }
    for (std::size_t c = 0; c < width_; ++c) collect(c);
  }

  // A weight moves down a row a cycle until it is in its row.
  void load(std::size_t r, std::size_t c, const Grid<Value>& shadow) {
    for (const Part& part : parts_) {
      if (!part.loading || now_ < part.load_start + c + r) continue;
      const std::size_t pushed = now_ - part.load_start - c;
      if (pushed >= part.depth) continue;
      const std::size_t row = part.depth - 1 - pushed;
      const Value value = c < part.columns ? one_.w(part.inner + row, part.column + c) : 0;
      shadow_(r, c) = r == 0 ? value : shadow(r - 1, c);
    }
    // Rows below the part hold whatever they held: they must see zeros in A.
  }

  std::optional<Datum> feed(std::size_t r) const {
    for (const Part& part : parts_) {
      if (!part.started || now_ < part.start + r || now_ - part.start - r >= part.rows) continue;
      const std::size_t i = now_ - part.start - r;
      return Datum{r < part.depth ? one_.a(part.row + i, part.inner + r) : 0, i == 0};
    }
    return std::nullopt;
  }

  std::optional<PartialSum> top(std::size_t c) const {
    for (std::size_t index = 0; index < parts_.size(); ++index) {
      const Part& part = parts_[index];
      if (!part.started || c >= part.columns) continue;
      if (now_ < part.start + c || now_ - part.start - c >= part.rows) continue;
      const std::size_t i = now_ - part.start - c;
      if (part.inner == 0) return PartialSum{one_.c(part.row + i, part.column + c), index, i};
      REQUIRE(ready_(i, c) <= now_);
      return PartialSum{accumulators_(i, c), index, i};
    }
    return std::nullopt;
  }

  void collect(std::size_t c) {
    const std::optional<PartialSum>& sum = sums_(height_ - 1, c);
    if (!sum) return;
    const Part& part = parts_[sum->part];
    if (part.inner + part.depth == one_.product.depth) {
      result_(part.row + sum->row, part.column + c) = sum->value;
      --left_;
      return;
    }
    accumulators_(sum->row, c) = sum->value;
    ready_(sum->row, c) = now_ + 1 + one_.array.feedback;
    if (sum->row == 0 && c == 0) sums_of_ = sum->part;
  }

  const Case& one_;
  std::size_t height_;
  std::size_t width_;
  std::vector<Part> parts_;
  std::size_t next_ = 0;
  std::size_t now_ = 0;
  std::size_t left_ = 0;
  std::size_t sums_of_ = ~std::size_t{0};  // the part whose sums begin to stand in the accumulators
  Grid<Value> weights_;
  Grid<Value> shadow_;
  Grid<std::optional<Datum>> data_;
  Grid<std::optional<PartialSum>> sums_;
  Matrix accumulators_;
  Grid<std::size_t> ready_;
  Matrix result_;
};

// ------------------------------------------------------------------ output stationary

class OutputStationaryArray {
 public:
  OutputStationaryArray(const Case& one, bool accumulate)
      : one_(one),
        accumulate_(accumulate),
        height_(one.array.height),
        width_(one.array.width),
        shadow_(height_, width_),
        data_(height_, width_),
        weights_(height_, width_),
        sums_(height_, width_),
        drain_(height_, width_),
        result_(one.product.rows, one.product.columns) {
    const MatrixProduct& p = one.product;
    for (std::size_t i = 0; i < p.rows; i += height_) {
      for (std::size_t j = 0; j < p.columns; j += width_) {
        parts_.push_back(
            {i, piece(i, height_, p.rows), 0, p.depth, j, piece(j, width_, p.columns)});
      }
    }
  }

  std::size_t run() {
    left_ = one_.product.rows * one_.product.columns;
    while (left_ > 0) {
      control();
      step();
      ++now_;
      REQUIRE(now_ < 1'000'000);
    }
    return now_;
  }
  const Matrix& result() const { return result_; }

 private:
  struct Datum {
    Value value;
    std::size_t part;
    std::size_t inner;
  };
  struct Finished {
    Value value;
    std::size_t part;
    std::size_t row;
  };

  // Starts a part when the old C is there, the streams are free, and its first result will leave
  // after the last of the part before.
  void control() {
    if (next_ < parts_.size()) {
      Part& part = parts_[next_];
      bool good = !accumulate_ || (part.loading && now_ >= part.load_start + part.rows);
      if (next_ > 0) {
        const Part& before = parts_[next_ - 1];
        const std::size_t last_exit = before.start + before.depth + 2 * (before.rows - 1);
        good = good && now_ >= before.start + before.depth && now_ + part.depth > last_exit;
      }
      if (good) {
        part.start = now_;
        part.started = true;
        ++next_;
      }
    }
    if (accumulate_ && next_ < parts_.size() && !parts_[next_].loading) {
      parts_[next_].loading = true;
      parts_[next_].load_start = now_;
    }
  }

  void step() {
    const Grid<Value> shadow = shadow_;
    const Grid<std::optional<Datum>> data = data_;
    const Grid<std::optional<Value>> weights = weights_;
    const Grid<std::optional<Finished>> drain = drain_;
    for (std::size_t j = 0; j < width_; ++j) {
      if (!drain(0, j)) continue;
      const Part& part = parts_[drain(0, j)->part];
      if (j >= part.columns) continue;
      result_(part.row + drain(0, j)->row, part.column + j) = drain(0, j)->value;
      --left_;
    }
    for (std::size_t i = 0; i < height_; ++i) {
      for (std::size_t j = 0; j < width_; ++j) {
        data_(i, j) = j == 0 ? feed_left(i) : data(i, j - 1);
        weights_(i, j) = i == 0 ? feed_top(j) : weights(i - 1, j);
        drain_(i, j) = i + 1 < height_ ? drain(i + 1, j) : std::nullopt;
        multiply(i, j, shadow);
        load(i, j, shadow);
      }
    }
  }

  void multiply(std::size_t i, std::size_t j, const Grid<Value>& shadow) {
    const std::optional<Datum>& datum = data_(i, j);
    if (!datum) return;
    REQUIRE(weights_(i, j));
    if (datum->inner == 0) sums_(i, j) = accumulate_ ? shadow(i, j) : 0;
    sums_(i, j) += datum->value * *weights_(i, j);
    if (datum->inner + 1 < one_.product.depth) return;
    REQUIRE_FALSE(drain_(i, j));  // a result of the part before would be lost
    drain_(i, j) = Finished{sums_(i, j), datum->part, i};
  }

  void load(std::size_t i, std::size_t j, const Grid<Value>& shadow) {
    for (const Part& part : parts_) {
      if (!part.loading || now_ < part.load_start + j + i) continue;
      const std::size_t pushed = now_ - part.load_start - j;
      if (pushed >= part.rows) continue;
      const Value value =
          j < part.columns ? one_.c(part.row + part.rows - 1 - pushed, part.column + j) : 0;
      shadow_(i, j) = i == 0 ? value : shadow(i - 1, j);
    }
  }

  std::optional<Datum> feed_left(std::size_t i) const {
    for (std::size_t index = 0; index < parts_.size(); ++index) {
      const Part& part = parts_[index];
      if (!part.started || i >= part.rows || now_ < part.start + i) continue;
      const std::size_t l = now_ - part.start - i;
      if (l < part.depth) return Datum{one_.a(part.row + i, l), index, l};
    }
    return std::nullopt;
  }
  std::optional<Value> feed_top(std::size_t j) const {
    for (const Part& part : parts_) {
      if (!part.started || now_ < part.start + j) continue;
      const std::size_t l = now_ - part.start - j;
      if (l < part.depth) return j < part.columns ? one_.w(l, part.column + j) : 0;
    }
    return std::nullopt;
  }

  const Case& one_;
  bool accumulate_;
  std::size_t height_;
  std::size_t width_;
  std::vector<Part> parts_;
  std::size_t next_ = 0;
  std::size_t now_ = 0;
  std::size_t left_ = 0;
  Grid<Value> shadow_;
  Grid<std::optional<Datum>> data_;
  Grid<std::optional<Value>> weights_;
  Matrix sums_;
  Grid<std::optional<Finished>> drain_;
  Matrix result_;
};

Case random_case(Random& random) {
  const ArrayShape array{1 + random() % 7, 1 + random() % 7, 1 + random() % 12, random() % 5};
  const MatrixProduct product{1 + random() % 25, 1 + random() % 25, 1 + random() % 25};
  return {array, product, random};
}

void check_weight_stationary(const Case& one) {
  INFO("array " << one.array.height << " x " << one.array.width << ", " << one.array.accumulators
                << " accumulators, feedback " << one.array.feedback << "; " << one.product.rows
                << " x " << one.product.depth << " x " << one.product.columns);
  WeightStationaryArray array(one);
  const std::size_t cycles = array.run();
  REQUIRE(array.result() == one.result());
  REQUIRE(weight_stationary_cycles(one.array, one.product) == cycles);
}

void check_output_stationary(Case one, bool accumulate) {
  INFO("array " << one.array.height << " x " << one.array.width << "; " << one.product.rows << " x "
                << one.product.depth << " x " << one.product.columns << ", accumulate "
                << accumulate);
  if (!accumulate) one.c = Matrix(one.product.rows, one.product.columns);
  OutputStationaryArray array(one, accumulate);
  const std::size_t cycles = array.run();
  REQUIRE(array.result() == one.result());
  REQUIRE(output_stationary_cycles(one.array, one.product, accumulate) == cycles);
}

}  // namespace

TEST_CASE("weight stationary products take the simulated array's cycles") {
  const std::uint64_t seed = hpimvp::random_seed(51);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 400; ++i) check_weight_stationary(random_case(random));
}

TEST_CASE("output stationary products take the simulated array's cycles") {
  const std::uint64_t seed = hpimvp::random_seed(52);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 400; ++i) check_output_stationary(random_case(random), random() % 2 == 0);
}

TEST_CASE("HPIM's array of 64 x 64 takes the simulated array's cycles") {
  const std::uint64_t seed = hpimvp::random_seed(53);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const ArrayShape array{64, 64, 256, 4};
  for (const MatrixProduct& product :
       {MatrixProduct{1, 64, 64}, MatrixProduct{64, 64, 64}, MatrixProduct{100, 130, 70}}) {
    check_weight_stationary({array, product, random});
    check_output_stationary({array, product, random}, true);
  }
  // In plain numbers: 64 cycles of loading weights, 64 rows, 63 + 63 to the far corner.
  CHECK(weight_stationary_cycles(array, {64, 64, 64}) == 64 + 64 + 63 + 63);
  // 64 inner indices, 63 + 63 to the far corner, 64 to the upper edge.
  CHECK(output_stationary_cycles(array, {64, 64, 64}, false) == 64 + 63 + 63 + 64);
}

TEST_CASE("no product is faster than all elements at work all the time") {
  const std::uint64_t seed = hpimvp::random_seed(54);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const ArrayShape array{64, 64, 256, 4};
  for (int i = 0; i < 2000; ++i) {
    const MatrixProduct p{1 + random() % 600, 1 + random() % 600, 1 + random() % 600};
    const std::uint64_t bound = p.rows * p.depth * p.columns / (64 * 64);
    REQUIRE(weight_stationary_cycles(array, p) > bound);
    REQUIRE(output_stationary_cycles(array, p, false) > bound);
  }
  // And large ones come near: within a tenth.
  CHECK(weight_stationary_cycles(array, {256, 1024, 1024}) * 10 < 256 * 256 * 11);
  CHECK(output_stationary_cycles(array, {1024, 1024, 64}, false) * 10 < 16 * 1024 * 13);
}
