// A forward pass from Rust, through the C interface and without any crate.
//
//   example_forward_rust [DRIVER]     no argument: the GPU; ./libosdn_emulator.so: a machine without one
//
// Every struct of the interface begins with its size, so a caller may declare as much of it as it uses: fields behind
// that have their defaults.
use std::ffi::{c_char, c_void, CStr, CString};
use std::ptr::null;

#[repr(C)]
struct EngineOptions {
    struct_size: usize,
    device: i32,
    disk_cache: i32,
    validate: i32,
    compile_threads: i32,
    driver_library: *const c_char,
}

#[repr(C)]
struct Shape {
    struct_size: usize,
    b: i64,
    t: i64,
    h: i64,
    hv: i64,
    n: i64,
}

#[repr(C)]
struct ForwardArguments {
    struct_size: usize,
    b: i64,
    t: i64,
    h: i64,
    hv: i64,
    n: i64,
    hyperparameters: [f32; 7],
    cu_seqlens_bits: i32,
    q: u64,
    k: u64,
    v: u64,
    beta: u64,
    log_gamma: u64,
    initial_state: u64,
    initial_d: u64,
    cu_seqlens: u64,
    o: u64,
    final_state: u64,
    final_d: u64,
    workspace: u64,
    workspace_bytes: u64,
}

#[link(name = "osdn")]
extern "C" {
    fn osdn_last_error() -> *const c_char;
    fn osdn_engine_options_init(options: *mut EngineOptions, size: usize) -> i32;
    fn osdn_engine_create(options: *const EngineOptions, engine: *mut *mut c_void) -> i32;
    fn osdn_engine_destroy(engine: *mut c_void);
    fn osdn_prepare_text(
        engine: *mut c_void,
        problem: *const c_char,
        configuration: *const c_char,
        operation: *mut *mut c_void,
    ) -> i32;
    fn osdn_operation_destroy(operation: *mut c_void);
    fn osdn_operation_configuration(operation: *const c_void) -> *const c_char;
    fn osdn_shape_init(shape: *mut Shape, size: usize) -> i32;
    fn osdn_workspace_bytes(operation: *const c_void, shape: *const Shape, bytes: *mut u64) -> i32;
    fn osdn_forward_arguments_init(arguments: *mut ForwardArguments, size: usize) -> i32;
    fn osdn_launch_forward(operation: *const c_void, arguments: *const ForwardArguments, stream: *mut c_void) -> i32;
    fn osdn_allocate(engine: *mut c_void, bytes: u64, address: *mut u64) -> i32;
    fn osdn_free(engine: *mut c_void, address: u64) -> i32;
    fn osdn_upload(engine: *mut c_void, to: u64, from: *const c_void, bytes: u64) -> i32;
    fn osdn_download(engine: *mut c_void, to: *mut c_void, from: u64, bytes: u64) -> i32;
}

fn text(from: *const c_char) -> String {
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}

/// A status as a Result with this thread's message.
fn check(status: i32) -> Result<(), String> {
    if status == 0 {
        Ok(())
    } else {
        Err(text(unsafe { osdn_last_error() }))
    }
}

/// What an init function fills.
fn filled<T>(init: unsafe extern "C" fn(*mut T, usize) -> i32) -> Result<T, String> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    check(unsafe { init(value.as_mut_ptr(), std::mem::size_of::<T>()) })?;
    Ok(unsafe { value.assume_init() })
}

struct Engine(*mut c_void);

impl Drop for Engine {
    fn drop(&mut self) {
        unsafe { osdn_engine_destroy(self.0) }
    }
}

impl Engine {
    fn create(driver: Option<&CStr>) -> Result<Engine, String> {
        let mut options = filled(osdn_engine_options_init)?;
        options.driver_library = driver.map_or(null(), CStr::as_ptr);
        let mut engine = std::ptr::null_mut();
        check(unsafe { osdn_engine_create(&options, &mut engine) })?;
        Ok(Engine(engine))
    }

    fn prepare(&self, problem: &str) -> Result<Operation, String> {
        let problem = CString::new(problem).map_err(|error| error.to_string())?;
        let mut operation = std::ptr::null_mut();
        check(unsafe { osdn_prepare_text(self.0, problem.as_ptr(), null(), &mut operation) })?;
        Ok(Operation(operation))
    }

    fn tensor(&self, values: &[f32]) -> Result<Buffer<'_>, String> {
        let buffer = self.room(std::mem::size_of_val(values) as u64)?;
        check(unsafe { osdn_upload(self.0, buffer.address, values.as_ptr().cast(), buffer.bytes) })?;
        Ok(buffer)
    }

    fn room(&self, bytes: u64) -> Result<Buffer<'_>, String> {
        let mut address = 0;
        check(unsafe { osdn_allocate(self.0, bytes, &mut address) })?;
        Ok(Buffer { engine: self, address, bytes })
    }
}

struct Operation(*mut c_void);

impl Drop for Operation {
    fn drop(&mut self) {
        unsafe { osdn_operation_destroy(self.0) }
    }
}

/// Device memory; it cannot outlive its engine.
struct Buffer<'a> {
    engine: &'a Engine,
    address: u64,
    bytes: u64,
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        unsafe { osdn_free(self.engine.0, self.address) };
    }
}

/// Numbers from 0 to 0.2: a linear congruential generator, so that forward.c draws the same ones.
struct Draw(u32);

impl Draw {
    fn numbers(&mut self, count: usize) -> Vec<f32> {
        let next = |_| {
            self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
            (self.0 >> 8) as f32 / 16777216.0 * 0.2
        };
        (0..count).map(next).collect()
    }
}

fn run(driver: Option<&CStr>) -> Result<(), String> {
    let (b, t, h, width) = (2, 100, 4, 64);
    let rows = (b * t * h) as usize;
    let engine = Engine::create(driver)?;
    let forward = engine.prepare("osdn_forward:type=fp32,k=64,v=64")?;

    let mut draw = Draw(1);
    let q = engine.tensor(&draw.numbers(rows * width))?;
    let k = engine.tensor(&draw.numbers(rows * width))?;
    let v = engine.tensor(&draw.numbers(rows * width))?;
    let beta = engine.tensor(&draw.numbers(rows))?;
    let mut result = vec![0f32; rows * width];
    let o = engine.tensor(&result)?;

    let mut shape = filled(osdn_shape_init)?;
    (shape.b, shape.t, shape.h, shape.hv) = (b, t, h, h);
    let mut bytes = 0;
    check(unsafe { osdn_workspace_bytes(forward.0, &shape, &mut bytes) })?;
    let workspace = engine.room(bytes)?;

    let mut pass = filled(osdn_forward_arguments_init)?;
    (pass.b, pass.t, pass.h, pass.hv) = (b, t, h, h);
    (pass.q, pass.k, pass.v, pass.beta, pass.o) = (q.address, k.address, v.address, beta.address, o.address);
    (pass.workspace, pass.workspace_bytes) = (workspace.address, workspace.bytes);
    check(unsafe { osdn_launch_forward(forward.0, &pass, std::ptr::null_mut()) })?;
    check(unsafe { osdn_download(engine.0, result.as_mut_ptr().cast(), o.address, o.bytes) })?;

    println!("{}", text(unsafe { osdn_operation_configuration(forward.0) }));
    println!("rust: o[0] = {:.6}, o[{}] = {:.6}", result[0], result.len() - 1, result[result.len() - 1]);
    Ok(())
}

fn main() {
    let driver = std::env::args().nth(1).map(|path| CString::new(path).expect("a path without a 0"));
    if let Err(message) = run(driver.as_deref()) {
        eprintln!("{message}");
        std::process::exit(1);
    }
}
