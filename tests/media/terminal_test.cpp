// SPDX-License-Identifier: MIT
// What is written for a terminal is decoded again as the terminal would.
#include "media/terminal.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "testing.h"

namespace hadal {
namespace {

TerminalGraphics detected(const std::map<std::string, std::string>& variables,
                          bool is_terminal = true) {
  return graphics_of_terminal(is_terminal, [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

TEST(Terminal, IsKnownByItsVariables) {
  EXPECT_EQ(detected({{"TERM", "xterm-kitty"}}), TerminalGraphics::kitty);
  EXPECT_EQ(detected({{"TERM", "xterm-256color"}, {"KITTY_WINDOW_ID", "1"}}),
            TerminalGraphics::kitty);
  EXPECT_EQ(detected({{"TERM", "xterm-ghostty"}}), TerminalGraphics::kitty);
  EXPECT_EQ(detected({{"TERM", "xterm-256color"}, {"TERM_PROGRAM", "iTerm.app"}}),
            TerminalGraphics::iterm2);
  EXPECT_EQ(detected({{"TERM", "xterm-256color"}, {"LC_TERMINAL", "iTerm2"}}),
            TerminalGraphics::iterm2);
  EXPECT_EQ(detected({{"TERM", "foot"}}), TerminalGraphics::sixel);
  EXPECT_EQ(detected({{"TERM", "xterm-sixel"}}), TerminalGraphics::sixel);
  EXPECT_EQ(detected({{"TERM", "xterm-256color"}}), TerminalGraphics::none);
  EXPECT_EQ(detected({}), TerminalGraphics::none);
}

TEST(Terminal, GetsNothingInAPipeOrBehindAMultiplexer) {
  EXPECT_EQ(detected({{"TERM", "xterm-kitty"}}, false), TerminalGraphics::none);
  EXPECT_EQ(detected({{"TERM", "screen-256color"}, {"KITTY_WINDOW_ID", "1"}}),
            TerminalGraphics::none);
  EXPECT_EQ(detected({{"TERM", "xterm-kitty"}, {"TMUX", "/tmp/tmux-0/default,1,0"}}),
            TerminalGraphics::none);
}

std::string from_base64(const std::string& text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (const char c : text) {
    if (c == '=') break;
    const size_t digit = alphabet.find(c);
    EXPECT_NE(digit, std::string::npos) << c;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return bytes;
}

Picture picture_of(const std::string& png) {
  KeptSink sink;
  EXPECT_EQ(decode_media(as_bytes(png), {}, sink).refusal, Refusal::none);
  return sink.clip.frames.empty() ? Picture() : sink.clip.frames[0];
}

TEST(Terminal, KittyGetsThePngInChunks) {
  Picture picture(64, 64);  // of noise, so that its PNG is long
  uint32_t noise = 1;
  for (uint8_t& byte : picture.rgb)
    byte = static_cast<uint8_t>((noise = noise * 1664525 + 1013904223) >> 24);
  std::string text = *terminal_picture(picture, TerminalGraphics::kitty);
  std::string png_text;
  int chunks = 0;
  bool more = true;
  while (text != "\n") {
    ASSERT_TRUE(more);
    ASSERT_TRUE(text.starts_with("\x1b_G")) << chunks;
    const size_t semicolon = text.find(';'), end = text.find("\x1b\\");
    ASSERT_NE(end, std::string::npos);
    const std::string control = text.substr(3, semicolon - 3);
    EXPECT_EQ(control.find("a=T,f=100") != std::string::npos, chunks == 0);
    more = control.ends_with("m=1");
    const std::string chunk = text.substr(semicolon + 1, end - semicolon - 1);
    EXPECT_LE(chunk.size(), 4096u);
    png_text += chunk;
    text.erase(0, end + 2);
    ++chunks;
  }
  EXPECT_FALSE(more);
  EXPECT_GT(chunks, 1);
  EXPECT_EQ(picture_of(from_base64(png_text)), picture);
}

TEST(Terminal, Iterm2GetsThePng) {
  const Picture picture = gradient(20, 10);
  const std::string text = *terminal_picture(picture, TerminalGraphics::iterm2);
  ASSERT_TRUE(text.starts_with("\x1b]1337;File=inline=1;size="));
  ASSERT_TRUE(text.ends_with("\a\n"));
  const size_t colon = text.find(':');
  const std::string png = from_base64(text.substr(colon + 1, text.size() - colon - 3));
  EXPECT_NE(text.find("size=" + std::to_string(png.size()) + ";width=20px;height=10px"),
            std::string::npos);
  EXPECT_EQ(picture_of(png), picture);
}

// A terminal for sixels: colours in percent, runs, carriage returns and new bands.
class SixelScreen {
 public:
  explicit SixelScreen(const std::string& text) : text_(text) {
    EXPECT_TRUE(text.starts_with("\x1bP0;1;0q\""));
    EXPECT_TRUE(text.ends_with("\x1b\\\n"));
    at_ = text.find('"') + 1;
    number();
    skip(';');
    number();
    skip(';');
    const int64_t width = number();
    skip(';');
    picture = Picture(width, number());
    while (text_[at_] != '\x1b') step();
  }
  Picture picture;
  int64_t drawn = 0;

 private:
  int64_t number() {
    int64_t value = 0;
    while (text_[at_] >= '0' && text_[at_] <= '9') value = value * 10 + (text_[at_++] - '0');
    return value;
  }
  void skip(char expected) { EXPECT_EQ(text_[at_++], expected); }

  void step() {
    const char c = text_[at_++];
    if (c == '#') {
      colour_ = number();
      if (text_[at_] != ';') return;
      skip(';');
      EXPECT_EQ(number(), 2);
      for (int i = 0; i < 3; ++i) {
        skip(';');
        colours_[colour_].push_back(static_cast<uint8_t>(number() * 255 / 100));
      }
    } else if (c == '!') {
      const int64_t count = number();
      draw(text_[at_++], count);
    } else if (c == '$') {
      x_ = 0;
    } else if (c == '-') {
      x_ = 0;
      top_ += 6;
    } else {
      draw(c, 1);
    }
  }

  void draw(char sixel, int64_t count) {
    ASSERT_GE(sixel, '?');
    ASSERT_LE(sixel, '~');
    for (; count > 0; --count, ++x_)
      for (int row = 0; row < 6; ++row) {
        if (!((sixel - '?') >> row & 1)) continue;
        ASSERT_LT(x_, picture.width);
        ASSERT_LT(top_ + row, picture.height);
        std::copy_n(colours_[colour_].begin(), 3, picture.pixel(x_, top_ + row));
        ++drawn;
      }
  }

  const std::string& text_;
  size_t at_ = 0;
  int64_t colour_ = 0, x_ = 0, top_ = 0;
  std::map<int64_t, std::vector<uint8_t>> colours_;
};

TEST(Terminal, SixelsDrawEveryPixelOnce) {
  const Picture picture = gradient(50, 33);
  const std::string text = *terminal_picture(picture, TerminalGraphics::sixel);
  const SixelScreen screen(text);
  ASSERT_EQ(screen.picture.width, 50);
  ASSERT_EQ(screen.picture.height, 33);
  EXPECT_EQ(screen.drawn, 50 * 33);
  EXPECT_LT(mean_error(screen.picture, picture), 26);  // half a step of the cube
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0, expected = 0;
    for (size_t i = c; i < picture.rgb.size(); i += 3) {
      sum += screen.picture.rgb[i];
      expected += picture.rgb[i];
    }
    EXPECT_NEAR(sum / expected, 1, 0.05);
  }
}

TEST(Terminal, SixelsOfColoursInThePaletteAreExact) {
  const Picture picture = plain(9, 7, 255);
  const std::string text = *terminal_picture(picture, TerminalGraphics::sixel);
  EXPECT_EQ(SixelScreen(text).picture, picture);
}

TEST(Terminal, WithoutGraphicsIsAnError) {
  EXPECT_FALSE(terminal_picture(plain(2, 2, 0), TerminalGraphics::none));
  EXPECT_FALSE(terminal_picture(Picture(), TerminalGraphics::kitty));
}

}  // namespace
}  // namespace hadal
