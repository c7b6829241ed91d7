#include "tests/conformance/qemu_riscv.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "tests/conformance/child_process.h"

namespace hpimvp::conformance {
namespace {

constexpr const char* kQemu = "qemu-system-riscv64";

// The core's extensions and nothing else: no supervisor mode, no hypervisor, no Zbc/Zbs, no Sstc.
constexpr const char* kCpu =
    "rv64,Zfh=true,zba=true,zbb=true,zbc=false,zbs=false,s=false,h=false,mmu=false,sstc=false";

// The RAM of the guest as a file of the host, removed at the end.
class RamFile {
 public:
  RamFile() {
    const auto pattern = std::filesystem::temp_directory_path() / "hpimvp-qemu-ram-XXXXXX";
    path_ = pattern.string();
    descriptor_ = mkstemp(path_.data());
    if (descriptor_ < 0) throw std::runtime_error("cannot create " + path_);
  }
  RamFile(const RamFile&) = delete;
  RamFile& operator=(const RamFile&) = delete;
  ~RamFile() {
    close(descriptor_);
    unlink(path_.c_str());
  }

  const std::string& path() const { return path_; }

  void fill(const std::vector<std::uint8_t>& image) {
    if (ftruncate(descriptor_, static_cast<off_t>(kRamBytes)) != 0 ||
        pwrite(descriptor_, image.data(), image.size(), 0) != static_cast<ssize_t>(image.size())) {
      throw std::runtime_error("cannot write " + path_);
    }
  }
  std::vector<std::uint8_t> contents() const {
    std::vector<std::uint8_t> bytes(kRamBytes);
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count =
          pread(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (count <= 0) throw std::runtime_error("cannot read " + path_);
      done += static_cast<std::size_t>(count);
    }
    return bytes;
  }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace

bool qemu_is_available() {
  const ProcessResult result = run_process({kQemu, "--version"}, 30);
  return result.started && result.exit_code == 0;
}

std::string qemu_version() {
  const ProcessResult result = run_process({kQemu, "--version"}, 30);
  return result.output.substr(0, result.output.find('\n'));
}

std::vector<std::uint8_t> run_on_qemu(const std::vector<std::uint8_t>& image, int timeout_seconds) {
  RamFile ram;
  ram.fill(image);
  const std::string backend =
      fmt::format("memory-backend-file,id=ram,size={},mem-path={},share=on", kRamBytes, ram.path());
  const ProcessResult result =
      run_process({kQemu, "-machine", "virt,memory-backend=ram", "-object", backend, "-m",
                   fmt::format("{}M", kRamBytes >> 20), "-cpu", kCpu, "-bios", "none", "-nographic",
                   "-monitor", "none", "-serial", "none"},
                  timeout_seconds);
  if (!result.started || result.timed_out || result.exit_code != 0) {
    throw std::runtime_error(fmt::format("{} {} (exit code {}): {}", kQemu,
                                         result.timed_out ? "did not end in time" : "failed",
                                         result.exit_code, result.output));
  }
  return ram.contents();
}

}  // namespace hpimvp::conformance
