/* An integer workload in the spirit of embedded benchmarks: linked lists, small matrices, a text
 * scanner and a bitwise CRC over every intermediate result. ITERATIONS is set on the command line;
 * the checksum that is printed does not depend on the machine that runs it. */
#include <stdint.h>

#ifndef ITERATIONS
#define ITERATIONS 100
#endif

#define UART ((volatile uint8_t*)0x10000000)

static void put_char(char c) {
  *UART = (uint8_t)c;
}

static void put_text(const char* text) {
  while (*text) put_char(*text++);
}

static void put_decimal(uint64_t value) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  while (count) put_char(digits[--count]);
}

static uint16_t crc_byte(uint16_t crc, uint8_t data) {
  for (int bit = 0; bit < 8; ++bit) {
    int carry = (crc ^ data) & 1;
    crc >>= 1;
    data >>= 1;
    if (carry) crc ^= 0xa001;
  }
  return crc;
}

static uint16_t crc_word(uint16_t crc, uint32_t word) {
  for (int i = 0; i < 4; ++i) crc = crc_byte(crc, (uint8_t)(word >> (8 * i)));
  return crc;
}

/* ---- Linked lists ---- */

struct Node {
  struct Node* next;
  int16_t key;
  int16_t value;
};

#define NODE_COUNT 80
static struct Node nodes[NODE_COUNT];

static struct Node* build_list(uint32_t seed) {
  struct Node* head = 0;
  for (int i = 0; i < NODE_COUNT; ++i) {
    seed = seed * 1664525u + 1013904223u;
    nodes[i].key = (int16_t)((seed >> 16) & 0x3ff);
    nodes[i].value = (int16_t)i;
    nodes[i].next = head;
    head = &nodes[i];
  }
  return head;
}

static struct Node* find_key(struct Node* list, int16_t key) {
  while (list && list->key != key) list = list->next;
  return list;
}

static struct Node* reverse(struct Node* list) {
  struct Node* result = 0;
  while (list) {
    struct Node* next = list->next;
    list->next = result;
    result = list;
    list = next;
  }
  return result;
}

static int by_key(const struct Node* a, const struct Node* b) {
  return a->key - b->key;
}
static int by_value(const struct Node* a, const struct Node* b) {
  return a->value - b->value;
}

typedef int (*Compare)(const struct Node*, const struct Node*);

static struct Node* merge_sort(struct Node* list, Compare compare) {
  int width = 1;
  for (;;) {
    struct Node* p = list;
    struct Node* tail = 0;
    int merges = 0;
    list = 0;
    while (p) {
      ++merges;
      struct Node* q = p;
      int left = 0;
      while (left < width && q) {
        ++left;
        q = q->next;
      }
      int right = width;
      while (left > 0 || (right > 0 && q)) {
        struct Node* taken;
        if (left == 0 || (right > 0 && q && compare(p, q) > 0)) {
          taken = q;
          q = q->next;
          --right;
        } else {
          taken = p;
          p = p->next;
          --left;
        }
        if (tail) {
          tail->next = taken;
        } else {
          list = taken;
        }
        tail = taken;
      }
      p = q;
    }
    if (!tail) return 0;
    tail->next = 0;
    if (merges <= 1) return list;
    width *= 2;
  }
}

static uint16_t list_work(uint32_t seed, uint16_t crc) {
  struct Node* list = build_list(seed);
  for (int i = 0; i < 12; ++i) {
    struct Node* hit = find_key(list, (int16_t)((seed >> i) & 0x3ff));
    list = reverse(list);
    if (hit) crc = crc_word(crc, (uint32_t)hit->value);
  }
  list = merge_sort(list, by_key);
  for (struct Node* node = list; node && node->next; node = node->next->next) {
    crc = crc_byte(crc, (uint8_t)node->key);
  }
  list = merge_sort(list, by_value);
  return crc_word(crc, (uint32_t)list->key);
}

/* ---- Matrices ---- */

#define SIZE 12
static int16_t matrix_a[SIZE][SIZE];
static int16_t matrix_b[SIZE][SIZE];
static int32_t matrix_c[SIZE][SIZE];

static uint16_t matrix_work(uint32_t seed, uint16_t crc) {
  for (int i = 0; i < SIZE; ++i) {
    for (int j = 0; j < SIZE; ++j) {
      seed = seed * 1664525u + 1013904223u;
      matrix_a[i][j] = (int16_t)(seed >> 20);
      matrix_b[i][j] = (int16_t)((seed >> 8) & 0xff);
    }
  }
  for (int i = 0; i < SIZE; ++i) {
    for (int j = 0; j < SIZE; ++j) {
      int32_t sum = 0;
      for (int k = 0; k < SIZE; ++k) sum += (int32_t)matrix_a[i][k] * matrix_b[k][j];
      matrix_c[i][j] = sum;
    }
  }
  int32_t total = 0;
  int32_t last = 0;
  for (int i = 0; i < SIZE; ++i) {
    for (int j = 0; j < SIZE; ++j) {
      int32_t value = matrix_c[i][j];
      total += ((value >> 2) & 15) * ((value >> 5) & 127);
      if (value > last) total += 10;
      if (total > 100000) total = 0;
      last = value;
    }
  }
  return crc_word(crc, (uint32_t)total);
}

/* ---- A scanner of number-like words ---- */

enum State { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_DIGITS, INVALID, STATES };

static const char kText[] =
    "5012,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,"
    "T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^,17,0,99999,-1,3.14159,2.71828e0,x,";

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static enum State scan_word(const char** cursor, uint32_t* visits) {
  const char* p = *cursor;
  enum State state = START;
  for (; *p && *p != ','; ++p) {
    char c = *p;
    switch (state) {
      case START:
        if (is_digit(c)) {
          state = INTEGER;
        } else if (c == '+' || c == '-') {
          state = SIGN;
        } else if (c == '.') {
          state = FRACTION;
        } else {
          state = INVALID;
        }
        break;
      case SIGN:
        state = is_digit(c) ? INTEGER : c == '.' ? FRACTION : INVALID;
        break;
      case INTEGER:
        if (c == '.') {
          state = FRACTION;
        } else if (!is_digit(c)) {
          state = INVALID;
        }
        break;
      case FRACTION:
        if (c == 'e' || c == 'E') {
          state = EXPONENT;
        } else if (!is_digit(c)) {
          state = INVALID;
        }
        break;
      case EXPONENT:
        state = (c == '+' || c == '-') ? EXPONENT_DIGITS : INVALID;
        break;
      case EXPONENT_DIGITS:
        if (!is_digit(c)) state = INVALID;
        break;
      default:
        break;
    }
    ++visits[state];
  }
  *cursor = *p ? p + 1 : p;
  return state;
}

static uint16_t scanner_work(uint32_t seed, uint16_t crc) {
  uint32_t visits[STATES] = {0};
  uint32_t finals[STATES] = {0};
  for (int pass = 0; pass < 2; ++pass) {
    const char* cursor = kText + (seed & 3);
    while (*cursor) ++finals[scan_word(&cursor, visits)];
  }
  for (int i = 0; i < STATES; ++i) crc = crc_word(crc, visits[i] * 31 + finals[i]);
  return crc;
}

static uint64_t instructions_retired(void) {
  uint64_t value;
  __asm__ volatile("csrr %0, minstret" : "=r"(value));
  return value;
}

int main(void) {
  uint64_t before = instructions_retired();
  uint16_t crc = 0xffff;
  for (uint32_t i = 0; i < ITERATIONS; ++i) {
    crc = list_work(i * 2654435761u + 1, crc);
    crc = matrix_work(i + 7, crc);
    crc = scanner_work(i, crc);
  }
  uint64_t retired = instructions_retired() - before;
  put_text("checksum ");
  put_decimal(crc);
  put_text(" instructions ");
  put_decimal(retired);
  put_char('\n');
  return 0;
}
