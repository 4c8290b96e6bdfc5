//! Ctrl-C.

use crossbeam::channel::{Receiver, bounded};

/// A message for each Ctrl-C (SIGINT) and SIGTERM from now on; the program no longer dies of them.
///
/// Without the system's help there will be none, and signals do what they always did.
pub fn listen() -> Receiver<()> {
    let (sender, receiver) = bounded(8);
    let heard =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM]);
    if let Ok(mut signals) = heard {
        let thread = std::thread::Builder::new().name("signals".into());
        // The thread lives as long as somebody listens.
        let _ = thread.spawn(move || {
            for _ in signals.forever() {
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}
