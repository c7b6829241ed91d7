// The Catch2 runner, compiled once for all test programs, and the sc_main that SystemC's library
// wants to see at link time.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

extern "C" int sc_main(int /*argc*/, char* /*argv*/[]) {
  return 0;
}
