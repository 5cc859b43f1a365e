//! The elected controller: context, state machines, elections, deletion.
