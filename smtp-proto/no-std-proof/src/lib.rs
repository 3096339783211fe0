//! A library with its own panic handler and allocator on top of `smtp-proto`.
//!
//! A program has one panic handler. With std anywhere below there would be two, and the compiler refuses.
#![no_std]

#[cfg(feature = "std-here")]
extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use smtp_proto::testing::fuzz::TARGETS;

unsafe extern "C" {
    safe fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    abort()
}

const HEAP: usize = 1 << 20;

#[repr(align(64))]
struct Heap(core::cell::UnsafeCell<[u8; HEAP]>);

// SAFETY: `Bump` hands out each octet at most once.
unsafe impl Sync for Heap {}

static MEMORY: Heap = Heap(core::cell::UnsafeCell::new([0; HEAP]));
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Hands out memory and never takes it back: enough for one call.
struct Bump;

// SAFETY: a block starts at a multiple of its alignment (the heap's own is 64), lies inside the heap, and no two
// overlap because `NEXT` moves past a block in the step that reserves it.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let reserve = |next: usize| {
            let start = next.checked_next_multiple_of(layout.align())?;
            let end = start.checked_add(layout.size())?;
            (layout.align() <= 64 && end <= HEAP).then_some(end)
        };
        match NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(next) => MEMORY.0.get().cast::<u8>().wrapping_add(next.next_multiple_of(layout.align())),
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump;

/// Uses the core from C: sends octets through everything that is fuzzed, which is everything that reads octets, and
/// returns how many such things there are.
#[unsafe(no_mangle)]
pub extern "C" fn smtp_proto_proof() -> usize {
    for (_, body) in TARGETS {
        body(b"\x03EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n..\r\n.\r\n");
    }
    TARGETS.len()
}
