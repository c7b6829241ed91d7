// The host firmware: checks the plan, starts the devices, serves the request, exits.

#include <cstdint>

#include "firmware/host/arena.h"
#include "firmware/host/default_addresses.h"
#include "firmware/host/engine_pool.h"
#include "firmware/host/exit_codes.h"
#include "firmware/host/failure_report.h"
#include "firmware/host/interrupt_controller.h"
#include "firmware/host/kv_cache.h"
#include "firmware/host/memory_errors.h"
#include "firmware/host/operator_scheduler.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/request_runner.h"
#include "firmware/host/sampler.h"
#include "firmware/host/system_controller.h"
#include "firmware/host/traps.h"
#include "firmware/host/uart.h"

extern "C" const char firmware_memory_end[];  // host.ld

namespace hpimvp::firmware {
namespace {

[[noreturn]] void exit_bad_plan(const PlanProblem& problem) {
  begin_error_message() << "bad plan: " << problem << "\n";
  exit_machine(kExitBadPlan);
}

// Without a device table the devices are where the machine has them by default.
[[noreturn]] void exit_without_plan(ExitCode code, const PlanProblem& problem) {
  Uart uart(default_addresses::kUart);
  SystemController system_controller(default_addresses::kSystemController);
  const MachineOutput output = {uart, system_controller};
  set_machine_output(&output);
  begin_error_message() << (code == kExitNoPlan ? "" : "bad plan: ") << problem << "\n";
  exit_machine(code);
}

void exit_out_of_memory(std::uint64_t bytes_wanted, std::uint64_t bytes_left) {
  begin_error_message() << "the plan's free memory is too small: " << bytes_wanted
                        << " more bytes are needed, " << bytes_left << " are left\n";
  exit_machine(kExitOutOfMemory);
}

// The plan, once its device table can be trusted.
PlanView open_plan(std::uint64_t plan_address) {
  if (plan_address == 0) {
    exit_without_plan(kExitNoPlan, {"there is no plan: register a1", {}, 0, plan_address});
  }
  if (plan_address % alignof(plan::PlanHeader) != 0) {
    exit_without_plan(kExitBadPlan, {"address is not aligned", {}, 0, plan_address});
  }
  const PlanView plan(*reinterpret_cast<const plan::PlanHeader*>(plan_address));
  if (const auto problem = check_plan_header(plan.header())) {
    exit_without_plan(kExitBadPlan, *problem);
  }
  for (const auto kind :
       {plan::DeviceKind::kUart, plan::DeviceKind::kSystemController, plan::DeviceKind::kPlic}) {
    if (plan.find_device(kind) != nullptr) continue;
    exit_without_plan(kExitBadPlan,
                      {"a device is missing, kind", {}, 0, static_cast<std::uint64_t>(kind)});
  }
  return plan;
}

void check_all(const PlanView& plan) {
  if (const auto problem = check_plan(plan)) exit_bad_plan(*problem);
  const auto memory_end = reinterpret_cast<std::uint64_t>(firmware_memory_end);
  if (const auto problem = check_plan_memory(plan, memory_end)) exit_bad_plan(*problem);
  for (std::size_t i = 0; i < plan.devices().size(); ++i) {
    const std::uint32_t source = plan.devices()[i].interrupt;
    if (source >= InterruptController::kSources) {
      exit_bad_plan({"interrupt is out of range", "device", i, source});
    }
  }
}

std::uint32_t report(const PlanView& plan, const EnginePool& engines, const RequestResult& result) {
  using Outcome = RequestResult::Outcome;
  if (result.outcome == Outcome::kDone) return kExitSuccess;
  TextOutput& out = begin_error_message();
  switch (result.outcome) {
    case Outcome::kEngineFailure:
      print_engine_failure(out, plan, engines, result.failure);
      break;
    case Outcome::kOutOfKvBlocks:
      out << "out of KV blocks";
      break;
    default:
      out << "a logit is infinite or NaN";
      break;
  }
  out << "\n  at position " << result.position << "\n";
  if (result.outcome == Outcome::kEngineFailure) return kExitEngineFailure;
  return result.outcome == Outcome::kOutOfKvBlocks ? kExitOutOfKvBlocks : kExitBadLogits;
}

KvCache* create_cache(const PlanView& plan, Arena& arena) {
  const plan::PlanHeader& header = plan.header();
  if (header.block_tokens == 0) return nullptr;
  const KvCacheShape shape = {plan.model().layers, plan.model().max_positions, header.block_tokens,
                              header.block_bytes};
  return &arena.create<KvCache>(shape, plan.kv_regions(), arena);
}

std::uint32_t serve(const PlanView& plan, InterruptController& interrupts, Uart& uart,
                    SystemController& system_controller, const MemoryErrors& memory_errors) {
  Arena arena(plan.header().free_memory_address, plan.header().free_memory_bytes,
              exit_out_of_memory);
  EnginePool engines(plan, interrupts, memory_errors, arena);
  const plan::Request& request = plan.request();
  const bool mark_operators = (request.flags & plan::kRequestMarkOperators) != 0;
  OperatorScheduler scheduler(plan, engines, mark_operators ? &system_controller : nullptr, arena);
  Sampler sampler({request.temperature, request.top_k, request.top_p, request.seed},
                  plan.model().vocabulary, arena);
  KvCache* const cache = create_cache(plan, arena);

  if (const auto failure = scheduler.run_boot_descriptors()) {
    print_engine_failure(begin_error_message(), plan, engines, *failure);
    uart << "\n";
    return kExitEngineFailure;
  }
  system_controller.boot_done();
  RequestRunner runner(plan, {scheduler, cache, sampler, system_controller, uart});
  const RequestResult result = runner.run();
  memory_errors.mark_total();
  if (engines.retries() != 0) system_controller.retry_total(engines.retries());
  return report(plan, engines, result);
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  const PlanView plan = open_plan(plan_address);
  const plan::Device& uart_device = *plan.find_device(plan::DeviceKind::kUart);
  Uart uart(uart_device.register_address);
  SystemController system_controller(
      plan.find_device(plan::DeviceKind::kSystemController)->register_address);
  const MachineOutput output = {uart, system_controller};
  set_machine_output(&output);
  check_all(plan);
  const MemoryErrors memory_errors(plan, system_controller);
  const MachineOutput output_with_notes = {uart, system_controller, &memory_errors};
  set_machine_output(&output_with_notes);

  InterruptController interrupts(plan.find_device(plan::DeviceKind::kPlic)->register_address);
  interrupts.install();
  if (uart_device.interrupt != 0) uart.attach(interrupts, uart_device.interrupt);
  exit_machine(serve(plan, interrupts, uart, system_controller, memory_errors));
}

}  // namespace hpimvp::firmware
