//! Files and the gate that keeps a stalled disk from taking the lanes.
