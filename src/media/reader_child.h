// SPDX-License-Identifier: MIT
// The child process that decodes: started, listened to, and ended.
//
//   TRY_STATUS(read_in_child(file, "film.mp4", task, sink));   // the sink of decode.h
//
// The child is this very program, started anew (/proc/self/exe) with a word that no user types;
// code that runs before main() sees the word, decodes and ends, so any program that links this room
// can read media, tests included.  A fork alone would share locks and secrets with a parent of many
// threads.  The child gets the file as descriptor 0, a pipe as descriptor 1 and nothing else: no
// environment but the loader's, no other descriptor.  It maps the file, enters the sandbox
// (sandbox.h), and only then looks at a byte.
//
// What it sends is hostile: each record is checked before it is believed, and messages are ours.
//
//   record: magic(4) kind(4) numbers(4 × 8) fps(2 × 8) bytes(8), then `bytes` bytes
//     facts    numbers: file kind, width, height, frames   fps: stored, given   bytes: the comment
//     picture  numbers: width, height                                           bytes: RGB
//     verdict  numbers: refusal, found, limit                                   the last record
//
// Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "media/decode.h"

namespace hadal {

// `file` is an open descriptor of the media file; it stays the caller's.
Status read_in_child(int file, const std::string& name, const DecodeTask& task, DecodeSink& sink);

}  // namespace hadal
