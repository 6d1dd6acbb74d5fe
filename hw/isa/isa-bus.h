// IsaBus: what has ports and interrupt lines at fixed places: "isa.0". Nothing is plugged in while the machine runs.
#pragma once

#include "hw/core/board.h"
#include "hw/core/bus.h"

namespace rhea::hw {

class IsaBus final : public Bus {
 public:
  static constexpr std::string_view kKind = "ISA";
  static constexpr unsigned kLines = 16;
  // Adds the class ISA.
  static void addClass(object::ClassTable& classes);

  // `lines` are the interrupts by number; both outlive the bus.
  IsaBus(const object::Class& type, Board& board, IrqSink& lines) : Bus(type, nullptr), board_(board), lines_(lines) {}

  std::string_view kind() const override { return kKind; }
  Board& board() const { return board_; }
  // Error: there is no such line.
  Result<IrqLine> line(std::uint32_t number) const;

  // Ports of one device, while it lives.
  class Claim {
   public:
    Claim(IsaBus& bus, std::uint64_t id, mem::AddressSpace::Mapping mapping)
        : bus_(&bus), id_(id), mapping_(std::move(mapping)) {}
    Claim(Claim&& other) noexcept
        : bus_(std::exchange(other.bus_, nullptr)), id_(other.id_), mapping_(std::move(other.mapping_)) {}
    Claim& operator=(Claim&& other) = delete;
    ~Claim();

   private:
    IsaBus* bus_;
    std::uint64_t id_;
    mem::AddressSpace::Mapping mapping_;
  };
  // `owner` as errors will name it. Errors: ports beyond 0xffff, taken by somebody (who is named).
  Result<Claim> claim(std::string owner, std::uint64_t first, std::uint64_t size, mem::IoHandler& handler);
  bool isTaken(std::uint64_t port) const;

  Result<void> plug(Device& device, bool running) override;

 private:
  struct Taken {
    std::uint64_t id, first, last;
    std::string owner;
  };
  Board& board_;
  IrqSink& lines_;
  std::vector<Taken> taken_;
  std::uint64_t nextId_ = 1;
};

// The bus that an ISA device was plugged into.
inline IsaBus& isaBusOf(const Device& device) { return static_cast<IsaBus&>(*device.bus()); }

}  // namespace rhea::hw
