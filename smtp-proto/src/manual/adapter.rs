//! Write your own adapter: blocking sockets, another runtime, io_uring, a device.
//!
//! An adapter owns a stream, a clock and a buffer, and does what [`needs`](crate::server::ServerSession::needs) says. This
//! page builds one on blocking sockets; the whole of it is `smtp-proto/examples/blocking_server.rs`, in 60 lines. The same
//! loop serves a [`ClientSession`](crate::client::ClientSession): `blocking_client.rs` beside it, and on the page
//! [`client`](crate::client).
//!
//! # 1. The loop
//!
//! It is on the [front page](crate#the-loop-by-hand). Each turn makes the buffer as large as the session wants it now
//! (`fit`), asks what is needed, and does that one thing. `needs` is the only call that takes the time, so it comes before
//! each `next`. There is no other state: an unfinished line stays in your buffer.
//!
//! # 2. Deadlines
//!
//! A peer that says nothing must not hold a thread for ever. [`deadline`](crate::server::ServerSession::deadline) is a point
//! in time, set when the wait began, so that octets that drip in do not move it. Wait until then, and no longer:
//!
//! ```
//! use std::io::{self, ErrorKind, Read};
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use smtp_proto::server::ServerSession;
//! use smtp_proto::{RecvBuf, Time};
//!
//! fn fill(stream: &mut TcpStream, session: &mut ServerSession, buffer: &mut RecvBuf, now: Time) -> io::Result<()> {
//!     // A socket takes a time-out of zero for an error.
//!     let left = session.deadline().map(|at| at.since(now).max(Duration::from_millis(1)));
//!     stream.set_read_timeout(left)?;
//!     match stream.read(buffer.spare()) {
//!         Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
//!             session.handle_timeout(now);
//!         }
//!         Ok(0) | Err(_) => session.handle_eof(),
//!         Ok(n) => buffer.commit(n),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The same for Flush and Upgrade. [`handle_timeout`](crate::server::ServerSession::handle_timeout) queues the 421 and the
//! end; the loop goes on until it is told Nothing, so that the application sees `Reset` and `Close`.
//!
//! # 3. Ends
//!
//! A read of 0 octets and a connection that was reset are the same to a session: `handle_eof`. When a *write* finds the peer
//! gone, clear the output first, or the session waits for it to leave. Other errors are yours to report.
//!
//! # 4. Pauses
//!
//! [`Need::Pause`](crate::server::Need::Pause) is a point in time to come back at. A thread may sleep until then; better is
//! to read meanwhile, as a pause before the greeting is there to see who talks too early, and a client that hangs up should
//! not be waited for.
//!
//! # 5. TLS
//!
//! At [`Need::Upgrade`](crate::server::Need::Upgrade) shake hands on the stream, *not* with what is in the buffer: that came in
//! clear. Hand the buffer to [`tls_established`](crate::server::ServerSession::tls_established), which takes it:
//!
//! ```
//! use smtp_proto::server::{ApiMisuse, ServerSession, TlsInfo};
//! use smtp_proto::{RecvBuf, Time};
//!
//! fn upgraded(session: &mut ServerSession, buffer: &mut RecvBuf, now: Time) -> Result<(), ApiMisuse> {
//!     let mut info = TlsInfo::default(); // what the TLS library tells
//!     info.protocol = "TLSv1.3".to_owned();
//!     let mut clear = buffer.input();
//!     session.tls_established(&mut clear, info, now)?;
//!     let dropped = clear.used();
//!     buffer.consume(dropped);
//!     Ok(())
//! }
//! ```
//!
//! After a handshake that failed: [`tls_failed`](crate::server::ServerSession::tls_failed).
//!
//! # 6. Futures
//!
//! Whatever waits may be cancelled, so octets that were read or written are accounted for in the same poll: `commit` right
//! after the read, `advance` right after the write. `write_all`, then `clear` is not safe: cancelled in between, it sends
//! twice. The adapter's `next` is then this loop that ends where a step is, as in `Connection::next` of `smtp-tokio`. Take
//! the time from the runtime, so that tests can pause it.
//!
//! # 7. Reads that own their buffer
//!
//! io_uring and its like take a buffer away and bring it back. [`RecvBuf::take`](crate::RecvBuf::take) hands out the room
//! behind the octets that wait, [`restore`](crate::RecvBuf::restore) brings it back filled, and `output().split()` hands over
//! what is to be written; of a block that was written in part the rest is yours to write before you ask `needs` again.
//!
//! ```
//! use smtp_proto::RecvBuf;
//! use smtp_proto::bytes::BytesMut;
//! use smtp_proto::server::ServerSession;
//!
//! /// What such a stream looks like: buffers go in and come back.
//! trait Stream {
//!     fn read(&mut self, room: BytesMut) -> (std::io::Result<usize>, BytesMut);
//!     fn write_all(&mut self, octets: BytesMut) -> std::io::Result<()>;
//! }
//!
//! fn fill(stream: &mut impl Stream, session: &mut ServerSession, buffer: &mut RecvBuf) -> std::io::Result<()> {
//!     if !session.output().is_empty() {
//!         stream.write_all(session.output().split())?;
//!     }
//!     let (read, room) = stream.read(buffer.take());
//!     match read {
//!         Ok(0) | Err(_) => session.handle_eof(),
//!         Ok(n) => buffer.restore(room, n),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # 8. Test it
//!
//! With the feature `testing` this crate brings sessions as text, the same that hold both adapters: play the client of each
//! over your streams, cut small, and let the transcript's own policy answer.
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # {
//! use smtp_proto::testing::{Script, TRANSCRIPTS};
//!
//! for (name, text) in TRANSCRIPTS {
//!     let script = Script::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
//!     // Serve script.config() with script.policy().answer(step) for each step; for each of script.turns() send
//!     // turn.send and read until turn.is_answered(&octets), then turn.check(&octets).
//! #   assert!(script.config().is_ok() && !script.turns().is_empty(), "{name}");
//! }
//! # }
//! ```
//!
//! What they can't see is time and trouble: test a peer that never speaks, one that drips octets, one that never reads, one
//! that resets, and a future that is dropped in each wait.
//!
//! # 9. Many connections
//!
//! One that waits should hold little. Give the buffer back after a second of silence
//! ([`release`](crate::RecvBuf::release)), not at each wait, or every command allocates; read into an array on the stack
//! and [`append`](crate::RecvBuf::append), and there is hardly more memory than octets. Bound how many connections there
//! are, in all and from one address.
