//! A library with its own panic handler and allocator on top of `smtp-proto`.
//!
//! A program has one panic handler. With std anywhere below there would be two, and the compiler refuses.
#![no_std]

#[cfg(feature = "std-here")]
extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
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

/// Uses the core from C: returns the code of the reply to an over-long line.
#[unsafe(no_mangle)]
pub extern "C" fn smtp_proto_proof() -> i32 {
    let mut received = smtp_proto::RecvBuf::with_capacity(64);
    received.commit(1);
    received.consume(received.input().used());
    i32::from(smtp_proto::Fault::LineTooLong.reply().code())
}
