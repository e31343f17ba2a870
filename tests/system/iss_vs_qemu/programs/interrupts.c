/* Software, timer and external interrupts: order, masking, vectored mode, WFI. The external one is
   the UART's, raised by its loopback. */

#include "board.h"

static volatile uint32_t order[64];
static volatile uint32_t taken;
static volatile uint32_t ticks;

static void note(uint32_t what) {
  if (taken < 64) order[taken] = what;
  taken = taken + 1;
}

static void set_timer(uint64_t at) {
  MTIMECMP[1] = 0xffffffffu;
  MTIMECMP[0] = (uint32_t)at;
  MTIMECMP[1] = (uint32_t)(at >> 32);
}

static uint64_t now(void) {
  for (;;) {
    const uint32_t high = MTIME[1];
    const uint32_t low = MTIME[0];
    if (MTIME[1] == high) return ((uint64_t)high << 32) | low;
  }
}

__attribute__((interrupt, used, aligned(4))) static void handler(void) {
  const uint32_t cause = READ_CSR(mcause);
  note(cause);
  switch (cause & 0xff) {
    case 3: MSIP = 0; break;
    case 7:
      ticks = ticks + 1;
      if (ticks < 5) {
        set_timer(now() + 20000);
      } else {
        set_timer(~0ull);
      }
      break;
    case 11: {
      const uint32_t source = PLIC(0x200004);
      note(source);
      note(UART[2]);
      note(UART[0]);
      PLIC(0x200004) = source;
      break;
    }
  }
}

__attribute__((interrupt, used)) static void vectored_timer(void) {
  note(0x700 | (READ_CSR(mcause) & 0xff));
  set_timer(~0ull);
}

__attribute__((naked, aligned(256))) static void vectors(void) {
  __asm__ volatile(
      ".option push\n.option norvc\n"
      "j handler\n j handler\n j handler\n j handler\n"
      "j handler\n j handler\n j handler\n j vectored_timer\n"
      "j handler\n j handler\n j handler\n j handler\n"
      ".option pop\n");
}

int main(void) {
  WRITE_CSR(mtvec, (uint32_t)&handler);
  WRITE_CSR(mie, 0x888);

  /* Pending but masked; then software before timer; then external. */
  UART[2] = 0xc7;
  UART[1] = 1;
  UART[4] = 0x10;
  for (int k = 0; k < 14; ++k) UART[0] = (uint8_t)(0x40 + k);
  show("line status", UART[5]);
  PLIC(4 * 10) = 3;
  PLIC(0x2000) = 1u << 10;
  PLIC(0x200000) = 3;
  show("at threshold", READ_CSR(mip) & 0x800);
  PLIC(0x200000) = 2;
  show("plic pending", PLIC(0x1000));
  MSIP = 1;
  show("msip", MSIP);
  set_timer(0);
  show("mip", READ_CSR(mip));
  show("taken while masked", taken);
  /* Without the external one: QEMU's order is 3, 7, 11, the specification's is 11, 3, 7. */
  WRITE_CSR(mie, 0x88);
  SET_CSR(mstatus, 8);
  while (taken < 2) __asm__ volatile("nop");
  WRITE_CSR(mie, 0x800);
  __asm__ volatile("nop");
  CLEAR_CSR(mstatus, 8);
  WRITE_CSR(mie, 0x88);
  while ((UART[5] & 1) != 0) note(UART[0]);
  UART[4] = 0;
  UART[1] = 0;

  /* WFI with and without the global enable. */
  SET_CSR(mstatus, 8);
  while (ticks < 5) __asm__ volatile("wfi");
  CLEAR_CSR(mstatus, 8);
  set_timer(now() + 1000);
  __asm__ volatile("wfi");
  show("woken without a trap", READ_CSR(mip) & 0x80);
  show("ticks", ticks);

  WRITE_CSR(mtvec, (uint32_t)&vectors | 1);
  SET_CSR(mstatus, 8);
  __asm__ volatile("nop");
  CLEAR_CSR(mstatus, 8);
  show("mtvec mode", READ_CSR(mtvec) & 3);

  dump("order", (const void*)order, taken);
  return 0;
}
