/* Never ends: waits for an interrupt that nobody sends, or spins. */

__attribute__((noinline)) static void hang_here(void) {
  for (;;) {
#ifdef WAIT
    __asm__ volatile("wfi");
#else
    __asm__ volatile("nop");
#endif
  }
}

int main(void) {
  hang_here();
  return 0;
}
