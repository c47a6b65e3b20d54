// SPDX-License-Identifier: MIT
#include "scenes/glyph_font.h"

#include <ft2build.h>
#include FT_FREETYPE_H

namespace hadal {

namespace {

constexpr unsigned kSideLimit = 1024;  // pixels; Noto's glyphs are 136 wide

Sprite sprite_of(const FT_Bitmap& bitmap) {
  Sprite sprite{bitmap.width, bitmap.rows, {}};
  for (unsigned y = 0; y < bitmap.rows; ++y) {
    const unsigned char* row = bitmap.buffer + static_cast<int64_t>(y) * bitmap.pitch;
    for (unsigned x = 0; x < bitmap.width; ++x)
      sprite.rgba.insert(sprite.rgba.end(),
                         {row[4 * x + 2], row[4 * x + 1], row[4 * x], row[4 * x + 3]});
  }
  return sprite;
}

}  // namespace

struct GlyphFont::Face {
  ~Face() {
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }
  std::string path;
  FT_Library library = nullptr;
  FT_Face face = nullptr;
};

GlyphFont::GlyphFont(std::unique_ptr<Face> face) : face_(std::move(face)) {}
GlyphFont::GlyphFont(GlyphFont&&) noexcept = default;
GlyphFont& GlyphFont::operator=(GlyphFont&&) noexcept = default;
GlyphFont::~GlyphFont() = default;

Result<GlyphFont> GlyphFont::open(const std::string& path) {
  auto face = std::make_unique<Face>();
  face->path = path;
  if (FT_Init_FreeType(&face->library) != 0) return fail_machine("FreeType does not start");
  if (const FT_Error error = FT_New_Face(face->library, path.c_str(), 0, &face->face); error != 0)
    return fail(path, ": FreeType cannot read it as a font (error ", error, ")");
  if (!FT_HAS_COLOR(face->face) || face->face->num_fixed_sizes < 1)
    return fail(path, ": a font without coloured bitmaps");
  if (FT_Select_Size(face->face, 0) != 0) return fail(path, ": its bitmaps cannot be chosen");
  return GlyphFont(std::move(face));
}

Result<std::optional<Sprite>> GlyphFont::draw(char32_t code) {
  const FT_UInt glyph = FT_Get_Char_Index(face_->face, code);
  if (glyph == 0) return std::optional<Sprite>();
  if (FT_Load_Glyph(face_->face, glyph, FT_LOAD_COLOR) != 0)
    return fail(face_->path, ": glyph ", glyph, " cannot be drawn");
  const FT_Bitmap& bitmap = face_->face->glyph->bitmap;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width < 1 || bitmap.rows < 1 ||
      bitmap.width > kSideLimit || bitmap.rows > kSideLimit)
    return fail(face_->path, ": glyph ", glyph, " is ", bitmap.rows, "×", bitmap.width,
                " pixels of mode ", static_cast<int>(bitmap.pixel_mode),
                ", expected coloured ones and at most ", kSideLimit, " a side");
  return std::optional(sprite_of(bitmap));
}

}  // namespace hadal
