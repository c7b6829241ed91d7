// The firmware's helpers for programs, against the models' own notion of addresses and
// instructions.
#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "firmware/host/bank_map.h"
#include "firmware/host/pim_kernel_builder.h"
#include "firmware/host/program_error.h"
#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/crf.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;
namespace crf = firmware::crf;

namespace {

void compare_offsets(const firmware::StackShape& shape, const std::string& preset) {
  const hbm_pim::DeviceOrganisation organisation = test_support::device_preset(preset).organisation;
  const hbm_pim::BitFieldMapping mapping(organisation);
  REQUIRE(shape.pseudo_channels() == organisation.pseudo_channels());
  REQUIRE(shape.banks() == organisation.banks());
  REQUIRE(shape.columns == organisation.columns);
  std::mt19937 random(1);
  const auto below = [&random](std::uint32_t end) { return random() % end; };
  for (int i = 0; i < 10'000; ++i) {
    const std::uint32_t pseudo_channel = below(shape.pseudo_channels());
    const std::uint32_t bank = below(shape.banks());
    const std::uint32_t row = below(organisation.rows);
    const std::uint32_t column = below(shape.columns);
    hbm_pim::MappedAddress at{pseudo_channel, organisation.bank_address(bank)};
    at.address.row = row;
    at.address.column = static_cast<std::uint16_t>(column);
    REQUIRE(shape.offset(pseudo_channel, bank, row, column) == mapping.offset_of(at));
  }
}

}  // namespace

TEST_CASE("firmware finds the bursts of banks where the default mapping has them") {
  compare_offsets(firmware::kHbm3HpimShape, "hbm3_hpim");
  compare_offsets(firmware::kHbm2SamsungShape, "hbm2_samsung_pim");
}

TEST_CASE("firmware encodes instructions as the assembler does") {
  using crf::grf_a;
  using crf::grf_b;
  using crf::Numbering;
  using hbm_pim::assemble;
  CHECK(crf::add(grf_a(3), grf_b(4), crf::srf_a(5)) ==
        assemble("ADD GRF_A[3], GRF_B[4], SRF_A[5]"));
  CHECK(crf::mul(grf_b(1), crf::kOddBank, crf::srf_m(7)) ==
        assemble("MUL GRF_B[1], ODD_BANK, SRF_M[7]"));
  CHECK(crf::mac(grf_b(0), grf_a(0), crf::kEvenBank, Numbering::kByAddress) ==
        assemble("MAC GRF_B[0], GRF_A[0], EVEN_BANK, AAM"));
  CHECK(crf::mad(grf_b(2), crf::kEvenBank, crf::srf_m(6), crf::Place::kSrfA) ==
        assemble("MAD GRF_B[2], EVEN_BANK, SRF_M[6], SRF_A[6]"));
  CHECK(crf::mov(crf::kEvenBank, grf_a(7)) == assemble("MOV EVEN_BANK, GRF_A[7]"));
  CHECK(crf::mov_relu(grf_a(2), crf::kOddBank) == assemble("MOV GRF_A[2], ODD_BANK, RELU"));
  CHECK(crf::fill(grf_b(0), crf::kEvenBank) == assemble("FILL GRF_B[0], EVEN_BANK"));
  CHECK(crf::nop(8) == assemble("NOP 7"));
  CHECK(crf::jump(7, 2) == assemble("JUMP 7, 2"));
  CHECK(crf::kExit == assemble("EXIT"));
}

TEST_CASE("firmware names the reasons of refusals") {
  using firmware::name_of;
  using Reason = hal::hbm_pim_stack::ProgramErrorReason;
  CHECK(name_of(Reason::kNone) == "NONE");
  CHECK(name_of(Reason::kRowClosed) == "ROW_CLOSED");
  CHECK(name_of(Reason::kLeftOpen) == "LEFT_OPEN");
  CHECK(name_of(Reason::kDevice) == "DEVICE");
  CHECK(name_of(static_cast<Reason>(200)) == "unknown reason");
}
