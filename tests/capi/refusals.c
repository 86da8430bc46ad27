/* What a caller may get wrong, and the words for it. */
#include <stdlib.h>
#include <threads.h>

#include "check.h"

static void engines(osdn_engine* engine) {
  REFUSED(osdn_engine_create(NULL, NULL), OSDN_INVALID_ARGUMENT, "engine is NULL");
  osdn_engine* made = (osdn_engine*)&made;
  osdn_engine_options options;
  GOOD(osdn_engine_options_init(&options, sizeof options));
  options.driver_library = "/nowhere/libcuda.so.1";
  REFUSED(osdn_engine_create(&options, &made), OSDN_LIBRARY_NOT_FOUND, "/nowhere/libcuda.so.1");
  CHECK(made == NULL);
  options.driver_library = emulator;
  options.device = 99;
  REFUSED(osdn_engine_create(&options, &made), OSDN_NO_DEVICE, "99");
  options.device = 0;
  options.validate = 7;
  REFUSED(osdn_engine_create(&options, &made), OSDN_INVALID_ARGUMENT, "options->validate was 7");
  options.validate = 0;
  options.compile_threads = -1;
  REFUSED(osdn_engine_create(&options, &made), OSDN_INVALID_ARGUMENT, "options->compile_threads was -1");

  REFUSED(osdn_engine_options_init(NULL, sizeof options), OSDN_INVALID_ARGUMENT, "options is NULL");
  osdn_device device = {.struct_size = sizeof device};
  REFUSED(osdn_engine_device(NULL, &device), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_engine_device(engine, NULL), OSDN_INVALID_ARGUMENT, "device is NULL");
  device.struct_size = 0; /* a struct without an _init function */
  REFUSED(osdn_engine_device(engine, &device), OSDN_INVALID_ARGUMENT, "device->struct_size was 0; it must be what sizeof");
  osdn_counters counters = {.struct_size = sizeof counters};
  REFUSED(osdn_engine_counters(NULL, &counters), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_engine_counters(engine, NULL), OSDN_INVALID_ARGUMENT, "counters is NULL");
  osdn_engine_destroy(NULL);
}

static void memory(osdn_engine* engine) {
  uint64_t address = 1;
  REFUSED(osdn_allocate(NULL, 16, &address), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_allocate(engine, 16, NULL), OSDN_INVALID_ARGUMENT, "address is NULL");
  REFUSED(osdn_allocate(engine, 0, &address), OSDN_INVALID_ARGUMENT, "bytes was 0");
  REFUSED(osdn_allocate(engine, UINT64_C(1) << 60, &address), OSDN_OUT_OF_MEMORY, "1152921504606846976");
  CHECK(address == 0);
  REFUSED(osdn_free(NULL, 16), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_free(engine, 16), OSDN_INVALID_ARGUMENT, "0x10");
  GOOD(osdn_free(engine, 0));
  int number = 1;
  REFUSED(osdn_upload(NULL, 16, &number, 4), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_upload(engine, 16, NULL, 4), OSDN_INVALID_ARGUMENT, "from is NULL");
  REFUSED(osdn_upload(engine, 16, &number, 4), OSDN_DRIVER, "uploading 4 bytes");
  REFUSED(osdn_download(NULL, &number, 16, 4), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_download(engine, NULL, 16, 4), OSDN_INVALID_ARGUMENT, "to is NULL");
  REFUSED(osdn_download(engine, &number, 16, 4), OSDN_DRIVER, "downloading 4 bytes");
  REFUSED(osdn_synchronize(NULL, NULL), OSDN_INVALID_ARGUMENT, "engine is NULL");
}

static void problems(osdn_engine* engine) {
  osdn_problem problem;
  REFUSED(osdn_problem_init(NULL, sizeof problem), OSDN_INVALID_ARGUMENT, "problem is NULL");
  GOOD(osdn_problem_init(&problem, sizeof problem));
  CHECK(problem.k == 128 && problem.v == 128 && problem.precondition == OSDN_PRECONDITION_OSDN &&
        problem.beta_aware == 1 && problem.micro_steps == 1);
  REFUSED(osdn_problem_parse(NULL, &problem), OSDN_INVALID_ARGUMENT, "text is NULL");
  REFUSED(osdn_problem_parse("osdn_forward:k=17", &problem), OSDN_INVALID_ARGUMENT, "17");
  REFUSED(osdn_problem_parse("osdn_forward:", NULL), OSDN_INVALID_ARGUMENT, "problem is NULL");
  char text[16];
  REFUSED(osdn_problem_text(NULL, text, sizeof text, NULL), OSDN_INVALID_ARGUMENT, "problem is NULL");
  REFUSED(osdn_problem_text(&problem, NULL, 3, NULL), OSDN_INVALID_ARGUMENT, "text is NULL");
  GOOD(osdn_problem_text(&problem, NULL, 0, NULL));
  GOOD(osdn_problem_text(&problem, text, sizeof text, NULL));
  CHECK(strcmp(text, "osdn_forward:ty") == 0);

  osdn_operation* operation = (osdn_operation*)&operation;
  REFUSED(osdn_prepare(NULL, &problem, NULL, &operation), OSDN_INVALID_ARGUMENT, "engine is NULL");
  CHECK(operation == NULL);
  REFUSED(osdn_prepare(engine, NULL, NULL, &operation), OSDN_INVALID_ARGUMENT, "problem is NULL");
  REFUSED(osdn_prepare(engine, &problem, NULL, NULL), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_prepare(engine, &problem, "chunks=3", &operation), OSDN_INVALID_ARGUMENT, "chunks");
  REFUSED(osdn_prepare_text(engine, NULL, NULL, &operation), OSDN_INVALID_ARGUMENT, "problem is NULL");
  REFUSED(osdn_prepare_text(engine, "osdn_backward:", NULL, &operation), OSDN_INVALID_ARGUMENT, "osdn_backward");
  /* Every field, far outside its range. */
  for (size_t i = 0; i < (sizeof problem - sizeof problem.struct_size) / sizeof(int32_t); ++i) {
    GOOD(osdn_problem_init(&problem, sizeof problem));
    const int32_t garbage = -12345;
    memcpy((char*)&problem + sizeof problem.struct_size + i * sizeof garbage, &garbage, sizeof garbage);
    REFUSED(osdn_prepare(engine, &problem, NULL, &operation), OSDN_INVALID_ARGUMENT, "-12345");
  }
  GOOD(osdn_problem_init(&problem, sizeof problem));
  problem.decay = OSDN_DECAY_SCALAR;
  REFUSED(osdn_prepare(engine, &problem, NULL, &operation), OSDN_UNSUPPORTED, "decay");
}

static void operations(osdn_engine* engine) {
  osdn_operation* operation = NULL;
  GOOD(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=16,v=16,precondition=none", NULL, &operation));
  osdn_shape shape;
  uint64_t bytes = 0;
  REFUSED(osdn_shape_init(NULL, sizeof shape), OSDN_INVALID_ARGUMENT, "shape is NULL");
  GOOD(osdn_shape_init(&shape, sizeof shape));
  REFUSED(osdn_workspace_bytes(NULL, &shape, &bytes), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_workspace_bytes((osdn_operation*)engine, &shape, &bytes), OSDN_INVALID_ARGUMENT, "not a handle");
  REFUSED(osdn_workspace_bytes(operation, NULL, &bytes), OSDN_INVALID_ARGUMENT, "shape is NULL");
  REFUSED(osdn_workspace_bytes(operation, &shape, NULL), OSDN_INVALID_ARGUMENT, "bytes is NULL");
  shape.t = -1;
  REFUSED(osdn_workspace_bytes(operation, &shape, &bytes), OSDN_INVALID_ARGUMENT, "-1");

  osdn_problem problem = {.struct_size = sizeof problem};
  REFUSED(osdn_operation_problem(NULL, &problem), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_operation_problem(operation, NULL), OSDN_INVALID_ARGUMENT, "problem is NULL");
  CHECK(osdn_operation_problem_text(NULL) == NULL);
  CHECK(osdn_operation_configuration(NULL) == NULL);
  CHECK(osdn_operation_configuration((osdn_operation*)engine) == NULL);
  uint64_t count = 0;
  REFUSED(osdn_operation_kernels(NULL, &count), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_operation_kernels(operation, NULL), OSDN_INVALID_ARGUMENT, "count is NULL");
  osdn_kernel kernel = {.struct_size = sizeof kernel};
  REFUSED(osdn_operation_kernel(NULL, 0, &kernel), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_operation_kernel(operation, 0, NULL), OSDN_INVALID_ARGUMENT, "kernel is NULL");
  REFUSED(osdn_operation_kernel(operation, 1, &kernel), OSDN_INVALID_ARGUMENT, "index was 1; this operation has 1");

  osdn_forward_arguments forward;
  osdn_decode_arguments decode;
  REFUSED(osdn_forward_arguments_init(NULL, sizeof forward), OSDN_INVALID_ARGUMENT, "arguments is NULL");
  REFUSED(osdn_decode_arguments_init(NULL, sizeof decode), OSDN_INVALID_ARGUMENT, "arguments is NULL");
  GOOD(osdn_forward_arguments_init(&forward, sizeof forward));
  GOOD(osdn_decode_arguments_init(&decode, sizeof decode));
  REFUSED(osdn_launch_forward(NULL, &forward, NULL), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_launch_forward(operation, NULL, NULL), OSDN_INVALID_ARGUMENT, "arguments is NULL");
  REFUSED(osdn_launch_decode(NULL, &decode, NULL), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_launch_decode(operation, NULL, NULL), OSDN_INVALID_ARGUMENT, "arguments is NULL");
  REFUSED(osdn_launch_decode(operation, &decode, NULL), OSDN_INVALID_ARGUMENT, "ForwardArguments");
  forward.t = 5;
  REFUSED(osdn_launch_forward(operation, &forward, NULL), OSDN_INVALID_ARGUMENT, "q ");
  forward.cu_seqlens_bits = 16;
  REFUSED(osdn_launch_forward(operation, &forward, NULL), OSDN_INVALID_ARGUMENT, "cu_seqlens_bits was 16");
  forward.cu_seqlens_bits = 64;
  forward.hv = 3;
  forward.h = 2;
  REFUSED(osdn_launch_forward(operation, &forward, NULL), OSDN_INVALID_ARGUMENT, "hv");
  osdn_operation_destroy(operation);
  osdn_operation_destroy(NULL);
}

void test_refusals(void) {
  CHECK(strcmp(osdn_last_error(), "") == 0 || failures > 0);
  osdn_engine* const engine = open_engine();
  if (engine == NULL) return;
  engines(engine);
  memory(engine);
  problems(engine);
  operations(engine);
  osdn_engine_destroy(engine);
  CHECK(strcmp(osdn_status_name(OSDN_CORRUPT), "OSDN_CORRUPT") == 0);
  CHECK(strcmp(osdn_status_name(-7), "unknown status") == 0);
  CHECK(osdn_version() == OSDN_VERSION);
  osdn_clear_error();
  CHECK(strcmp(osdn_last_error(), "") == 0 && osdn_last_error_status() == OSDN_OK);
}

/* Structs of callers that are older and newer than the library. */
void test_structs(void) {
  osdn_problem problem;
  char text[256];
  char defaults[256];
  GOOD(osdn_problem_init(&problem, sizeof problem));
  GOOD(osdn_problem_text(&problem, defaults, sizeof defaults, NULL));

  /* One of an older caller: it ends behind `v`, and what lies there is not looked at. */
  memset(&problem, 0x5a, sizeof problem);
  problem.struct_size = offsetof(osdn_problem, precondition);
  problem.operation = OSDN_OPERATION_FORWARD;
  problem.type = OSDN_TYPE_BF16;
  problem.k = 128;
  problem.v = 64;
  GOOD(osdn_problem_text(&problem, text, sizeof text, NULL));
  CHECK(strstr(text, "v=64,") != NULL && strstr(text, "precondition=osdn") != NULL);
  problem.struct_size = sizeof problem.struct_size;
  GOOD(osdn_problem_text(&problem, text, sizeof text, NULL));
  CHECK(strcmp(text, defaults) == 0);
  /* And what the library fills stops where the caller's struct does. */
  memset(&problem, 0x5a, sizeof problem);
  GOOD(osdn_problem_init(&problem, offsetof(osdn_problem, precondition)));
  CHECK(problem.struct_size == offsetof(osdn_problem, precondition) && problem.v == 128);
  CHECK(problem.precondition == 0x5a5a5a5a);

  /* One of a newer caller: unknown fields must be zero. */
  struct {
    osdn_problem known;
    int64_t unknown;
  } newer;
  memset(&newer, 0x5a, sizeof newer);
  GOOD(osdn_problem_init(&newer.known, sizeof newer));
  CHECK(newer.known.struct_size == sizeof newer && newer.unknown == 0);
  GOOD(osdn_problem_text(&newer.known, text, sizeof text, NULL));
  newer.unknown = 1;
  REFUSED(osdn_problem_text(&newer.known, text, sizeof text, NULL), OSDN_UNSUPPORTED, "newer than the library");

  /* And what no version has. */
  problem.struct_size = 0;
  REFUSED(osdn_problem_text(&problem, text, sizeof text, NULL), OSDN_INVALID_ARGUMENT, "struct_size was 0");
  problem.struct_size = 12;
  REFUSED(osdn_problem_text(&problem, text, sizeof text, NULL), OSDN_INVALID_ARGUMENT, "struct_size was 12");
  problem.struct_size = (size_t)-8;
  REFUSED(osdn_problem_text(&problem, text, sizeof text, NULL), OSDN_INVALID_ARGUMENT, "_init");
}

static int other_thread(void* unused) {
  (void)unused;
  const int clean = strcmp(osdn_last_error(), "") == 0 && osdn_last_error_status() == OSDN_OK;
  uint64_t address = 0;
  return clean && osdn_allocate(NULL, 16, &address) == OSDN_INVALID_ARGUMENT ? 0 : 1;
}

void test_threads(void) {
  osdn_problem problem;
  REFUSED(osdn_problem_parse("osdn_forward:k=18", &problem), OSDN_INVALID_ARGUMENT, "18");
  thrd_t thread;
  int result = 1;
  CHECK(thrd_create(&thread, other_thread, NULL) == thrd_success);
  CHECK(thrd_join(thread, &result) == thrd_success);
  CHECK(result == 0);
  CHECK(strstr(osdn_last_error(), "18") != NULL);
}
