//! What must not compile, each beside the nearest thing that does, so that it fails for the one reason it should. Error
//! codes are compared by a nightly toolchain only.

/// Two things can't be started at once.
/// ```
/// # use smtp_proto::client::Ready;
/// fn start(ready: Ready<'_>) {
///     ready.quit();
/// }
/// ```
/// ```compile_fail,E0382
/// # use smtp_proto::client::Ready;
/// fn start(ready: Ready<'_>) {
///     ready.rset();
///     ready.quit();
/// }
/// ```
pub struct StartedTwice;

/// Content is written before its end, never after it.
/// ```
/// # use smtp_proto::client::ContentWriter;
/// fn send(mut body: ContentWriter<'_>) -> usize {
///     let taken = body.write(b"Hi\r\n");
///     body.finish();
///     taken
/// }
/// ```
/// ```compile_fail,E0382
/// # use smtp_proto::client::ContentWriter;
/// fn send(mut body: ContentWriter<'_>) -> usize {
///     body.finish();
///     body.write(b"Hi\r\n")
/// }
/// ```
pub struct WrittenAfterTheEnd;

/// How much was taken is looked at: the rest has to be written again.
/// ```
/// # #![deny(unused_must_use)]
/// # use smtp_proto::client::ContentWriter;
/// fn send(body: &mut ContentWriter<'_>, text: &[u8]) -> usize {
///     body.write(text)
/// }
/// ```
/// ```compile_fail
/// # #![deny(unused_must_use)]
/// # use smtp_proto::client::ContentWriter;
/// fn send(body: &mut ContentWriter<'_>, text: &[u8]) {
///     body.write(text);
/// }
/// ```
pub struct TakenForAll;

/// A token ends with its step: it can't be kept while the session goes on.
/// ```
/// # use smtp_proto::{Input, client::{ClientSession, ClientStep}};
/// fn next(session: &mut ClientSession, input: &mut Input<'_>) {
///     if let Some(ClientStep::Ready(ready)) = session.next(input) {
///         ready.quit();
///     }
///     session.shut_down();
/// }
/// ```
/// ```compile_fail,E0499
/// # use smtp_proto::{Input, client::{ClientSession, ClientStep}};
/// fn next(session: &mut ClientSession, input: &mut Input<'_>) {
///     if let Some(ClientStep::Ready(ready)) = session.next(input) {
///         session.shut_down();
///         ready.quit();
///     }
/// }
/// ```
pub struct TokenKept;

/// A reply on loan ends with its step; its clone does not.
/// ```
/// # use smtp_proto::{Input, client::{ClientSession, ClientStep}};
/// fn next(session: &mut ClientSession, input: &mut Input<'_>) {
///     let mut kept = None;
///     if let Some(ClientStep::Reply { reply, .. }) = session.next(input) {
///         kept = Some(reply.clone());
///     }
///     session.shut_down();
///     println!("{kept:?}");
/// }
/// ```
/// ```compile_fail,E0502
/// # use smtp_proto::{Input, client::{ClientSession, ClientStep}};
/// fn next(session: &mut ClientSession, input: &mut Input<'_>) {
///     let mut kept = None;
///     if let Some(ClientStep::Reply { reply, .. }) = session.next(input) {
///         kept = Some(reply);
///     }
///     session.shut_down();
///     println!("{kept:?}");
/// }
/// ```
pub struct ReplyKept;

/// A token comes from a session and from nowhere else.
/// ```compile_fail,E0451
/// # use smtp_proto::client::{ClientSession, Ready};
/// fn forge(session: &mut ClientSession) {
///     Ready { session }.quit();
/// }
/// ```
pub struct MadeUp;
