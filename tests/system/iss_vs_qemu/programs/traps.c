/* Every kind of synchronous exception: cause, value and saved state of each is shown. The handler
   skips the faulting instruction. */

#include "board.h"

static volatile uint32_t trap_cause, trap_value, trap_status, trap_count;
static volatile uint32_t trap_pc;

__attribute__((interrupt, aligned(4))) static void handler(void) {
  trap_cause = READ_CSR(mcause);
  trap_value = READ_CSR(mtval);
  trap_status = READ_CSR(mstatus) & 0x1888;
  const uint32_t pc = READ_CSR(mepc);
  /* The specification reports all AMO faults as the store's; QEMU with one CPU runs an AMO as a
     load and a store, and reports the load's. */
  if (trap_cause != 1 && (*(const uint8_t*)pc & 0x7f) == 0x2f && (*(const uint8_t*)(pc + 3) >> 3) != 2) {
    if (trap_cause == 4 || trap_cause == 5) trap_cause += 2;
  }
  trap_pc = pc;
  ++trap_count;
  if (trap_cause == 1) {
    WRITE_CSR(mepc, READ_CSR(mscratch));
    return;
  }
  const uint16_t first = *(const uint16_t*)pc;
  WRITE_CSR(mepc, pc + ((first & 3) == 3 ? 4 : 2));
}

static void report(const char* name) {
  put_text(name);
  put_char('\n');
  show("cause", trap_cause);
  show("value", trap_value);
  show("status", trap_status);
  show("count", trap_count);
  trap_cause = trap_value = 0xdead;
}

#define TRY(name, code)                                   \
  do {                                                    \
    __asm__ volatile(code ::: "memory", "a0", "a1", "a2"); \
    report(name);                                         \
  } while (0)

static uint32_t jump_to(uint32_t address) {
  uint32_t result;
  __asm__ volatile(
      "la t0, 1f\n csrw mscratch, t0\n jalr ra, 0(%1)\n 1: mv %0, ra\n sub %0, %0, t0\n"
      : "=r"(result)
      : "r"(address)
      : "t0", "ra", "memory");
  return result;
}

int main(void) {
  WRITE_CSR(mtvec, (uint32_t)&handler);
  TRY("ecall", "ecall");
  TRY("ebreak", ".option push\n.option norvc\n ebreak\n.option pop");
  TRY("c.ebreak", "c.ebreak");
  TRY("zero", ".half 0");
  TRY("ones", ".word 0xffffffff");
  TRY("floating add", ".word 0x00000053");
  TRY("sret", ".word 0x10200073");
  TRY("missing csr", ".word 0x7c0022f3");
  TRY("read-only csr", ".word 0xf1401073");
  TRY("read-only csr, set", ".word 0xf142e073");
  TRY("load from nowhere", "li a0, 0x18000000\n lw a1, 4(a0)");
  TRY("byte from nowhere", "li a0, 0x18000003\n lb a1, 0(a0)");
  TRY("store to nowhere", "li a0, 0x18000000\n sh a1, 2(a0)");
  TRY("amo misaligned", "la a0, main\n addi a0, a0, 2\n ori a0, a0, 1\n amoadd.w a1, a2, (a0)");
  TRY("lr misaligned", "li a0, 0x80001001\n lr.w a1, (a0)");
  TRY("lr from nowhere", "li a0, 0x18000000\n lr.w a1, (a0)");
  TRY("sc without reservation, misaligned", "li a0, 0x80001001\n sc.w a1, a1, (a0)");
  TRY("sc to nowhere", "li a0, 0x18000000\n sc.w a1, a1, (a0)");
  SET_CSR(mstatus, 8);
  TRY("with interrupts enabled", "ecall");
  show("mstatus", READ_CSR(mstatus) & 0x88); /* QEMU leaves MPP at U, machine mode only or not */
  show("link", jump_to(0x18000000));
  report("fetch from nowhere");
  show("pc", trap_pc);
  WRITE_CSR(mepc, 0xfffffffe);
  show("mepc", READ_CSR(mepc));
  WRITE_CSR(mtvec, 0x80001235);
  show("mtvec", READ_CSR(mtvec));
  show("misa", READ_CSR(misa));
  return 0;
}
