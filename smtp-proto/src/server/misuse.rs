//! What must not compile, each beside the nearest thing that does, so that it fails for the one reason it should.
//! Two more are among the traps that the documentation of [`server`](super) shows. Error codes are compared by a
//! nightly toolchain only.

/// A token is answered once.
/// ```
/// # use smtp_proto::server::{Pending, Rcpt};
/// fn policy(rcpt: Pending<'_, Rcpt<'_>>) {
///     rcpt.accept();
/// }
/// ```
/// ```compile_fail,E0382
/// # use smtp_proto::server::{Pending, Rcpt};
/// fn policy(rcpt: Pending<'_, Rcpt<'_>>) {
///     rcpt.accept();
///     rcpt.accept();
/// }
/// ```
pub struct AnsweredTwice;

/// A token is gone with its answer; what was bound before lives on.
/// ```
/// # use smtp_proto::server::{Pending, Rcpt};
/// fn policy(rcpt: Pending<'_, Rcpt<'_>>) -> usize {
///     let mailbox = rcpt.mailbox();
///     rcpt.accept();
///     mailbox.as_str().len()
/// }
/// ```
/// ```compile_fail,E0382
/// # use smtp_proto::server::{Pending, Rcpt};
/// fn policy(rcpt: Pending<'_, Rcpt<'_>>) -> usize {
///     rcpt.accept();
///     rcpt.mailbox().as_str().len()
/// }
/// ```
pub struct LookedAtAfterTheAnswer;

/// A mailbox ends with its step; its owned copy does not.
/// ```
/// # use smtp_proto::{RecvBuf, server::{ServerSession, Step}};
/// fn policy(session: &mut ServerSession, buffer: &mut RecvBuf) {
///     let (mut input, mut kept) = (buffer.input(), None);
///     if let Some(Step::Rcpt(rcpt)) = session.next(&mut input) {
///         kept = Some(rcpt.mailbox().to_owned());
///         rcpt.accept();
///     }
///     let used = input.used();
///     buffer.consume(used);
///     println!("{kept:?}");
/// }
/// ```
/// ```compile_fail,E0502
/// # use smtp_proto::{RecvBuf, server::{ServerSession, Step}};
/// fn policy(session: &mut ServerSession, buffer: &mut RecvBuf) {
///     let (mut input, mut kept) = (buffer.input(), None);
///     if let Some(Step::Rcpt(rcpt)) = session.next(&mut input) {
///         kept = Some(rcpt.mailbox());
///         rcpt.accept();
///     }
///     let used = input.used();
///     buffer.consume(used);
///     println!("{kept:?}");
/// }
/// ```
pub struct MailboxKept;

/// Content ends with its step too.
/// ```
/// # use smtp_proto::{RecvBuf, server::{ServerSession, Step}};
/// fn policy(session: &mut ServerSession, buffer: &mut RecvBuf) {
///     let (mut input, mut kept) = (buffer.input(), None);
///     if let Some(Step::Content(octets)) = session.next(&mut input) {
///         kept = Some(octets.to_vec());
///     }
///     let used = input.used();
///     buffer.consume(used);
///     println!("{kept:?}");
/// }
/// ```
/// ```compile_fail,E0502
/// # use smtp_proto::{RecvBuf, server::{ServerSession, Step}};
/// fn policy(session: &mut ServerSession, buffer: &mut RecvBuf) {
///     let (mut input, mut kept) = (buffer.input(), None);
///     if let Some(Step::Content(octets)) = session.next(&mut input) {
///         kept = Some(octets);
///     }
///     let used = input.used();
///     buffer.consume(used);
///     println!("{kept:?}");
/// }
/// ```
pub struct ContentKept;

/// There is one step at a time.
/// ```
/// # use smtp_proto::{Input, server::ServerSession};
/// fn policy(session: &mut ServerSession, input: &mut Input<'_>) {
///     let first = session.next(input);
///     println!("{first:?}");
///     let second = session.next(input);
///     println!("{second:?}");
/// }
/// ```
/// ```compile_fail,E0499
/// # use smtp_proto::{Input, server::ServerSession};
/// fn policy(session: &mut ServerSession, input: &mut Input<'_>) {
///     let first = session.next(input);
///     let second = session.next(input);
///     println!("{first:?}");
///     println!("{second:?}");
/// }
/// ```
pub struct TwoStepsAtOnce;

/// A step does not outlive its session.
/// ```
/// # use smtp_proto::{Input, server::{ServerSession, Step}};
/// fn policy<'s, 'b>(session: &'s mut ServerSession, input: &mut Input<'b>) -> Option<Step<'s, 'b>> {
///     session.next(input)
/// }
/// ```
/// ```compile_fail,E0515
/// # use smtp_proto::{Input, server::{ServerSession, Step}};
/// fn policy<'s, 'b>(mut session: ServerSession, input: &mut Input<'b>) -> Option<Step<'s, 'b>> {
///     session.next(input)
/// }
/// ```
pub struct StepPastItsSession;

/// Only AUTH has challenges.
/// ```
/// # use smtp_proto::server::{Auth, Pending};
/// fn policy(auth: Pending<'_, Auth<'_>>) {
///     auth.challenge(b"Username:");
/// }
/// ```
/// ```compile_fail,E0599
/// # use smtp_proto::server::{Mail, Pending};
/// fn policy(mail: Pending<'_, Mail<'_>>) {
///     mail.challenge(b"Username:");
/// }
/// ```
pub struct ChallengeToMail;

/// Content wants no answer and takes none.
/// ```
/// # use smtp_proto::server::Step;
/// fn policy(step: Step<'_, '_>) {
///     if let Step::Verdict(verdict) = step { verdict.accept() }
/// }
/// ```
/// ```compile_fail,E0599
/// # use smtp_proto::server::Step;
/// fn policy(step: Step<'_, '_>) {
///     if let Step::Content(content) = step { content.accept() }
/// }
/// ```
pub struct ContentAnswered;

/// Tokens come from the session alone: neither fields nor a function make one.
/// ```
/// # use smtp_proto::server::{Data, Pending, ServerSession};
/// fn data(session: &mut ServerSession, data: Data) {
///     println!("{:?} {data:?}", session.facts());
/// }
/// ```
/// ```compile_fail,E0451
/// # use smtp_proto::server::{Data, Pending, ServerSession};
/// fn data(session: &mut ServerSession, data: Data) {
///     Pending { session, command: data }.accept();
/// }
/// ```
/// ```compile_fail,E0624
/// # use smtp_proto::server::{Data, Pending, ServerSession};
/// fn data(session: &mut ServerSession, data: Data) {
///     Pending::new(session, data).accept();
/// }
/// ```
pub struct TokenMadeUp;

/// A loop by hand handles every need.
/// ```
/// # use smtp_proto::server::Need;
/// fn is_wait(need: Need) -> bool {
///     match need {
///         Need::Input | Need::Flush | Need::Upgrade | Need::Pause(_) => true,
///         Need::Step | Need::Nothing => false,
///     }
/// }
/// ```
/// ```compile_fail,E0004
/// # use smtp_proto::server::Need;
/// fn is_wait(need: Need) -> bool {
///     match need {
///         Need::Input | Need::Flush | Need::Upgrade => true,
///         Need::Step | Need::Nothing => false,
///     }
/// }
/// ```
pub struct NeedForgotten;

/// A constant reply agrees with itself and is one line.
/// ```
/// # use smtp_proto::wire::reply::Reply;
/// const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user");
/// const GO_ON: Reply<'static> = Reply::bare(354, "Go on");
/// # let _ = (NO_USER, GO_ON);
/// ```
/// The class is not the code's first digit:
/// ```compile_fail,E0080
/// # use smtp_proto::wire::reply::Reply;
/// const NO_USER: Reply<'static> = Reply::new(550, (4, 1, 1), "No such user");
/// # let _ = NO_USER;
/// ```
/// CR LF in the text:
/// ```compile_fail,E0080
/// # use smtp_proto::wire::reply::Reply;
/// const NO_USER: Reply<'static> = Reply::new(550, (5, 1, 1), "No such user\r\n250 Ok");
/// # let _ = NO_USER;
/// ```
/// A code that there is not:
/// ```compile_fail,E0080
/// # use smtp_proto::wire::reply::Reply;
/// const NO_USER: Reply<'static> = Reply::new(650, (5, 1, 1), "No such user");
/// # let _ = NO_USER;
/// ```
/// An enhanced code on 3yz (RFC 2034 §4):
/// ```compile_fail,E0080
/// # use smtp_proto::wire::reply::Reply;
/// const GO_ON: Reply<'static> = Reply::new(354, (3, 0, 0), "Go on");
/// # let _ = GO_ON;
/// ```
pub struct ReplyThatLies;
