// SPDX-License-Identifier: MIT
// Coloured glyphs of a bitmap font, by FreeType.
//
//   TRY(GlyphFont font, GlyphFont::open("NotoColorEmoji.ttf"));
//   TRY(std::optional<Sprite> sprite, font.draw(U'\U0001F435'));   // nothing: no such glyph
//
// The font file is foreign: FreeType checks it, and a bitmap of another kind or size than expected
// is refused.  One thread an object.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "scenes/sprite.h"

namespace hadal {

class GlyphFont {
 public:
  static Result<GlyphFont> open(const std::string& path);
  GlyphFont(GlyphFont&&) noexcept;
  GlyphFont& operator=(GlyphFont&&) noexcept;
  ~GlyphFont();

  Result<std::optional<Sprite>> draw(char32_t code);

 private:
  struct Face;
  explicit GlyphFont(std::unique_ptr<Face> face);
  std::unique_ptr<Face> face_;
};

}  // namespace hadal
