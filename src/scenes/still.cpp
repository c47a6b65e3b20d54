// SPDX-License-Identifier: MIT
#include "scenes/still.h"

#include <algorithm>

#include "base/random.h"
#include "scenes/caption_reader.h"
#include "scenes/drawing.h"

namespace hadal {

namespace {

constexpr std::string_view kNumbers[] = {"", "a", "two", "three"};

// Columns of two or three in a row.
std::vector<int64_t> columns_of(int64_t count) {
  return count == 2 ? std::vector<int64_t>{0, 2} : std::vector<int64_t>{0, 1, 2};
}

std::string where(const StillPart& part) {
  if (part.count == 1) return ", " + phrase(part.place);
  return detail::join_text(", ", row_word(part.place.row), " row");
}

// "two large red circles": the number and the plural around what is said of one.
std::string counted(const StillPart& part, const std::string& phrase) {
  const bool hisses = phrase.ends_with("cross");
  const std::string_view plural = part.count == 1 ? "" : hisses ? "es" : "s";
  return detail::join_text(kNumbers[part.count], " ", phrase, plural);
}

std::string words_of(const StillPart& part) {
  return counted(part, phrase(part.object)) + where(part);
}

std::optional<Form> forms_named(std::string_view word) {
  if (word == "crosses") return Form::cross;
  if (word.empty() || word.back() != 's') return std::nullopt;
  const std::optional<Form> form = form_named(word.substr(0, word.size() - 1));
  return form == Form::cross ? std::nullopt : form;
}

Result<StillPart> parse_row(CaptionReader& reader, int64_t count) {
  StillPart part;
  part.count = count;
  TRY(part.object.size, reader.expect(size_named, "a size"));
  TRY(part.object.colour, reader.expect(colour_named, "a colour"));
  TRY(part.object.form, reader.expect(forms_named, "forms"));
  TRY_STATUS(reader.need(","));
  TRY(part.place.row, reader.expect(row_named, "top, middle or bottom"));
  TRY_STATUS(reader.need("row"));
  return part;
}

Result<StillPart> parse_single(CaptionReader& reader) {
  StillPart part;
  TRY_STATUS(reader.need("a"));
  TRY(part.object, reader.object());
  TRY_STATUS(reader.need(","));
  TRY(part.place, reader.place());
  return part;
}

Result<std::vector<StillPart>> parse_parts(CaptionReader& reader) {
  for (int64_t count : {2, 3})
    if (reader.take(kNumbers[count])) {
      TRY(StillPart row, parse_row(reader, count));
      return std::vector<StillPart>{row};
    }
  TRY(StillPart first, parse_single(reader));
  if (!reader.take_all({",", "and"})) return std::vector<StillPart>{first};
  TRY(StillPart second, parse_single(reader));
  return std::vector<StillPart>{first, second};
}

Place random_place(Random& random) {
  const int64_t row = random.below(3);
  return {row, random.below(3)};
}

Still any_still(Random& random, Words from) {
  const Ground ground = static_cast<Ground>(random.below(kGrounds));
  const int64_t kind = random.below(4);
  const Object object = random_object(random, from);
  const Place place = random_place(random);
  if (kind == 0) return {ground, {{2 + random.below(2), object, {place.row, 0}}}};
  if (kind < 3) return {ground, {{1, object, place}}};
  PlacedObject other = {random_object(random, from), random_place(random)};
  while (other.object == object) other.object = random_object(random, from);
  while (other.place == place) other.place = random_place(random);
  return still_of(ground, {{object, place}, other}).take();
}

bool reads_before(const PlacedObject& a, const PlacedObject& b) {
  return 3 * a.place.row + a.place.column < 3 * b.place.row + b.place.column;
}

bool is_row(const std::vector<PlacedObject>& objects) {
  if (objects.size() < 2) return false;
  const std::vector<int64_t> columns = columns_of(static_cast<int64_t>(objects.size()));
  for (size_t i = 0; i < objects.size(); ++i)
    if (objects[i] != PlacedObject{objects[0].object, {objects[0].place.row, columns[i]}})
      return false;
  return true;
}

}  // namespace

std::vector<PlacedObject> objects_of(const Still& still) {
  std::vector<PlacedObject> objects;
  for (const StillPart& part : still.parts) {
    if (part.count == 1) {
      objects.push_back({part.object, part.place});
    } else {
      for (int64_t column : columns_of(part.count))
        objects.push_back({part.object, {part.place.row, column}});
    }
  }
  return objects;
}

Result<Still> still_of(Ground ground, std::vector<PlacedObject> objects) {
  std::sort(objects.begin(), objects.end(), reads_before);
  const int64_t count = static_cast<int64_t>(objects.size());
  if (count < 1 || count > 3) return fail("scene: ", count, " objects, expected 1 … 3");
  if (is_row(objects))
    return Still{ground, {{count, objects[0].object, {objects[0].place.row, 0}}}};
  if (count == 3) return fail("scene: three objects that are no row of three");
  if (count == 2 && objects[0].place == objects[1].place)
    return fail("scene: two objects in one place");
  Still still{ground, {}};
  for (const PlacedObject& placed : objects)
    still.parts.push_back({1, placed.object, placed.place});
  return still;
}

std::string caption(const Still& still) {
  return caption(still, 0);
}

std::string caption(const Still& still, int64_t wording) {
  CHECK(wording >= 0 && wording < kWordings, "wording ", wording);
  std::string text;
  for (const StillPart& part : still.parts) text += (text.empty() ? "" : ", and ") + words_of(part);
  const std::string ground(word(still.ground));
  if (wording == 1) return "on " + ground + ": " + text;
  constexpr std::string_view kLeads[] = {"", "", "draw ", "a picture of "};
  return std::string(kLeads[wording]) + text + ", on " + ground;
}

std::string vague_caption(const Still& still, Random& random) {
  std::string text;
  for (const StillPart& part : still.parts) {
    text += (text.empty() ? "" : ", and ") + counted(part, vague_phrase(part.object, random));
    if (is_said(random)) text += where(part);
  }
  if (is_said(random)) text += ", on " + std::string(word(still.ground));
  return text;
}

Result<Still> parse_still(std::string_view caption) {
  CaptionReader reader(caption);
  std::optional<Ground> ground;
  if (reader.take("on")) {
    TRY(ground, reader.expect(ground_named, "a ground"));
    TRY_STATUS(reader.need(":"));
  } else if (!reader.take("draw")) {
    reader.take_all({"a", "picture", "of"});
  }
  TRY(std::vector<StillPart> parts, parse_parts(reader));
  if (!ground) {
    TRY_STATUS(reader.need(","));
    TRY_STATUS(reader.need("on"));
    TRY(ground, reader.expect(ground_named, "a ground"));
  }
  TRY_STATUS(reader.end());
  return still_of(*ground, objects_of({*ground, parts}));
}

Picture draw_still(const Still& still, int64_t side) {
  CHECK(side >= 16 && side <= 4096, "a picture of ", side, " pixels");
  Picture picture = blank(side, rgb_of(still.ground));
  for (const PlacedObject& placed : objects_of(still))
    draw_figure(picture,
                {placed.object.form, rgb_of(placed.object.colour), centre_of(placed.place.column),
                 centre_of(placed.place.row), radius_of(placed.object.size)});
  return picture;
}

Split split_of(const Still& still) {
  for (const StillPart& part : still.parts)
    if (split_of(part.object) == Split::unseen) return Split::unseen;
  return Split::seen;
}

Still random_still(uint64_t seed, Split split, Words from) {
  Random random(seed_for(seed, "still"));
  Still still = any_still(random, from);
  while (split_of(still) != split) still = any_still(random, from);
  return still;
}

}  // namespace hadal
