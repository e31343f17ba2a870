/* Matrix products in 32-, 16- and 8-bit integers, the last two with misaligned rows. */

#include "board.h"

#define N 23

static int32_t a[N][N], b[N][N], c[N][N];
static uint8_t packed[N * N * 2 + 1];
static int32_t narrow[N][N];

int main(void) {
  uint32_t state = 77;
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) {
      a[i][j] = (int32_t)next_random(&state);
      b[i][j] = (int32_t)next_random(&state) >> 11;
    }
  }
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) {
      for (int k = 0; k < N; ++k) c[i][j] = (int32_t)((uint32_t)c[i][j] + (uint32_t)a[i][k] * (uint32_t)b[k][j]);
    }
  }
  dump("product", c, N * N);

  /* 16-bit values at odd addresses. */
  for (int k = 0; k < N * N; ++k) {
    volatile int16_t* at = (volatile int16_t*)(packed + 1 + 2 * k);
    *at = (int16_t)a[k / N][k % N];
  }
  for (int i = 0; i < N; ++i) {
    for (int j = 0; j < N; ++j) {
      int32_t sum = 0;
      for (int k = 0; k < N; ++k) {
        const int16_t left = *(volatile int16_t*)(packed + 1 + 2 * (i * N + k));
        const int8_t right = (int8_t)packed[2 * (k * N + j)];
        sum += left * right;
      }
      narrow[i][j] = sum;
    }
  }
  dump("narrow", narrow, N * N);
  return 0;
}
