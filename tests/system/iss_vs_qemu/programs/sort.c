/* Quick sort and heap sort of the same random words; both results and the comparison count. */

#include "board.h"

#define COUNT 1000

static uint32_t quick[COUNT], heap[COUNT];
static uint32_t comparisons;

static int less(uint32_t a, uint32_t b) {
  ++comparisons;
  return (int32_t)a < (int32_t)b;
}

static void swap(uint32_t* a, uint32_t* b) {
  const uint32_t old = *a;
  *a = *b;
  *b = old;
}

static void quick_sort(uint32_t* a, int first, int last) {
  while (first < last) {
    const uint32_t pivot = a[(first + last) / 2];
    int i = first, j = last;
    while (i <= j) {
      while (less(a[i], pivot)) ++i;
      while (less(pivot, a[j])) --j;
      if (i <= j) swap(&a[i++], &a[j--]);
    }
    quick_sort(a, first, j);
    first = i;
  }
}

static void sift_down(uint32_t* a, int root, int end) {
  for (int child = 2 * root + 1; child < end; child = 2 * root + 1) {
    if (child + 1 < end && less(a[child], a[child + 1])) ++child;
    if (!less(a[root], a[child])) return;
    swap(&a[root], &a[child]);
    root = child;
  }
}

static void heap_sort(uint32_t* a, int count) {
  for (int root = count / 2 - 1; root >= 0; --root) sift_down(a, root, count);
  for (int end = count - 1; end > 0; --end) {
    swap(&a[0], &a[end]);
    sift_down(a, 0, end);
  }
}

int main(void) {
  uint32_t state = 2463534242u;
  for (int k = 0; k < COUNT; ++k) quick[k] = heap[k] = next_random(&state);
  quick_sort(quick, 0, COUNT - 1);
  heap_sort(heap, COUNT);
  uint32_t different = 0;
  for (int k = 0; k < COUNT; ++k) different += quick[k] != heap[k];
  show("different", different);
  show("comparisons", comparisons);
  dump("sorted", quick, COUNT);
  return different != 0;
}
