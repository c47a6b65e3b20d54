// SPDX-License-Identifier: MIT
// Pages: the grammar, markup brought to one form, recordings, and the judge of answers.
#include "scenes/page.h"

#include <fstream>
#include <set>

#include "scenes/drawing.h"
#include "scenes/markup.h"
#include "scenes/page_recording.h"
#include "testing.h"

namespace hadal {
namespace {

TEST(PageTest, EveryPageIsReadBack) {
  std::set<PagePart> parts;
  std::set<std::string> texts;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Page page = random_page(seed, seed % 2 == 0 ? Split::seen : Split::unseen);
    EXPECT_EQ(split_of(page), seed % 2 == 0 ? Split::seen : Split::unseen);
    Result<Page> read = parse_page(html(page));
    ASSERT_TRUE(read) << html(page) << ": " << read.error().message;
    EXPECT_EQ(*read, page);
    EXPECT_EQ(normalised_markup(html(page)).take(), html(page));
    parts.insert(page.part);
    texts.insert(html(page));
  }
  EXPECT_EQ(parts.size(), static_cast<size_t>(kPageParts));
  EXPECT_GT(texts.size(), 950U);
  EXPECT_EQ(random_page(5, Split::seen), random_page(5, Split::seen));
}

TEST(PageTest, IsWhatABrowserGivesBack) {
  EXPECT_EQ(html({"pink", "blue", "sun", PagePart::counter, {"cake"}, 7}),
            "<body style=\"background:pink\"><h1 style=\"color:blue\">sun</h1>"
            "<button onclick=\"n.textContent++\">cake</button><b id=\"n\">7</b></body>");
}

TEST(PageTest, RefusesOtherText) {
  const std::string good = html(random_page(1, Split::seen));
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_page(good.substr(0, size))) << size;
  EXPECT_FALSE(parse_page(good + " "));
  EXPECT_FALSE(
      parse_page("<body style=\"background:pink\"><h1 style=\"color:pink\">sun</h1>"
                 "<p>moon tree</p></body>"));
  EXPECT_FALSE(
      parse_page("<body style=\"background:pink\"><h1 style=\"color:red\">dog</h1>"
                 "<p>moon tree</p></body>"));
}

TEST(PageTest, ClicksFitIntoTheRecordingAndThePage) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Page page = random_page(seed, Split::seen);
    const std::vector<Click> clicks = script(page, seed);
    EXPECT_EQ(clicks.empty(), page.part == PagePart::paragraph);
    int64_t last = 0;
    for (const Click& click : clicks) {
      EXPECT_GT(click.frame, last);
      EXPECT_LT(click.frame, kPageFrames - 1);
      EXPECT_LT(click.target, page.part == PagePart::tabs ? 2 : 1);
      last = click.frame;
    }
  }
}

TEST(MarkupTest, BringsToOneForm) {
  const auto one = [](std::string_view html) {
    Result<std::string> result = normalised_markup(html);
    return result ? *result : result.error().message;
  };
  EXPECT_EQ(one("<P Class=b  id='a'> x \n y </P>"), "<p class=\"b\" id=\"a\">x y</p>");
  EXPECT_EQ(one("<p id='a' class=b>x y</p><!-- said -->"), "<p class=\"b\" id=\"a\">x y</p>");
  EXPECT_EQ(one("<p hidden>a<br/>b</p>"), "<p hidden=\"\">a<br>b</p>");
  EXPECT_EQ(one("<p hidden=\"\">a<br>b</p>\n"), "<p hidden=\"\">a<br>b</p>");
  EXPECT_NE(one("<p>a b</p>"), one("<p>ab</p>"));
  EXPECT_NE(one("<p id=a></p>"), one("<p id=b></p>"));
}

TEST(MarkupTest, RefusesWhatIsNotWellFormed) {
  for (const char* html : {"<p>", "</p>", "<p></b>", "<b><p></b></p>", "<p id='a>", "<p id=a", "<",
                           "<>", "< p></p>", "<p ?></p>", "<p id=a id=b></p>", "<!-- never"})
    EXPECT_FALSE(normalised_markup(html)) << html;
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "<p>";
  EXPECT_FALSE(normalised_markup(deep));
  EXPECT_FALSE(normalised_markup(std::string(1 << 20, 'x')));
}

std::string ppm(const Picture& picture) {
  return "P6 " + std::to_string(picture.width) + " " + std::to_string(picture.height) + " 255\n" +
         std::string(picture.rgb.begin(), picture.rgb.end());
}

TEST(PageRecordingTest, ReadsFrames) {
  const Picture red = blank(3, {255, 0, 0}), blue = blank(3, {0, 0, 255});
  Result<Clip> clip = parse_ppm_frames(ppm(red) + ppm(blue), "a.ppm");
  ASSERT_TRUE(clip) << clip.error().message;
  EXPECT_EQ(clip->frames, (std::vector<Picture>{red, blue}));
}

TEST(PageRecordingTest, RefusesBrokenFrames) {
  const std::string good = ppm(blank(3, {1, 2, 3})) + ppm(blank(3, {4, 5, 6}));
  const size_t frame = good.size() / 2;
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(static_cast<bool>(parse_ppm_frames(good.substr(0, size), "a")), size == frame);
  EXPECT_FALSE(parse_ppm_frames(ppm(blank(3, {1, 2, 3})) + ppm(blank(4, {1, 2, 3})), "a"));
  for (const char* text : {"P5 1 1 255\n   ", "P6 0 1 255\n", "P6 -1 -1 255\n   ",
                           "P6 1 1 65535\n      ", "P6 99999 99999 255\n", "P6 1\t1 255\n   "})
    EXPECT_FALSE(parse_ppm_frames(text, "a")) << text;
}

TEST(PageRecordingTest, OpensWhatTheRecorderWrites) {
  testing::Folder folder;
  const auto open_with = [&](const std::string& states) {
    std::ofstream(folder / "p.ppm", std::ios::binary) << ppm(blank(3, {1, 2, 3}));
    std::ofstream(folder / "p.states") << states;
    return PageRecording::open(folder / "p");
  };
  Result<PageRecording> recording = open_with(R"(["<body></body>", "<body>a</body>"])");
  ASSERT_TRUE(recording) << recording.error().message;
  EXPECT_EQ(recording->states[1], "<body>a</body>");
  EXPECT_EQ(recording->clip.frames.size(), 1U);
  for (const char* states : {"", "[]", "{}", "[1]", "\"a\"", "[\"a\""})
    EXPECT_FALSE(open_with(states)) << states;
  EXPECT_FALSE(PageRecording::open(folder / "other"));
}

// The recording of a counter that is clicked once.
PageRecording counted(const std::string& heading, const char* before, const char* after) {
  PageRecording recording;
  for (const char* value : {before, after}) {
    recording.states.push_back("<body><h1>" + heading + "</h1><b id=\"n\">" + value +
                               "</b></body>");
    Picture frame = blank(64, {255, 255, 255});
    draw_figure(frame, {value[0] == '1' ? Form::circle : Form::cross, {0, 0, 0}, 20, 40, 6});
    if (heading == "sun") draw_figure(frame, {Form::star, {0, 0, 255}, 20, 12, 8});
    recording.clip.frames.push_back(frame);
  }
  return recording;
}

TEST(PageJudgeTest, IsRightOnTheSamePage) {
  const PageRecording asked = counted("sun", "1", "2");
  PageRecording answer = asked;
  answer.states[0] = "<BODY>\n<h1> sun </h1><b id=n>1</b></BODY>";
  answer.clip.frames[0].rgb[5] ^= 3;
  EXPECT_TRUE(judge_page(asked, answer).right()) << judge_page(asked, answer).problem;
}

TEST(PageJudgeTest, NoticesEveryDifference) {
  const PageRecording asked = counted("sun", "1", "2");
  PageVerdict verdict = judge_page(asked, counted("sun", "1", "1"));  // it does not count
  EXPECT_TRUE(verdict.dom && !verdict.interaction && !verdict.pixels && !verdict.problem.empty());
  verdict = judge_page(asked, counted("moon", "1", "2"));
  EXPECT_FALSE(verdict.dom || verdict.interaction || verdict.pixels);
  PageRecording answer = asked;  // the same words in other colours
  for (Picture& frame : answer.clip.frames)
    for (uint8_t& byte : frame.rgb) byte = static_cast<uint8_t>(255 - byte);
  verdict = judge_page(asked, answer);
  EXPECT_TRUE(verdict.dom && verdict.interaction && !verdict.pixels);
  answer = asked;
  answer.states.pop_back();
  EXPECT_FALSE(judge_page(asked, answer).interaction);
  answer = asked;
  answer.clip.frames.pop_back();
  EXPECT_FALSE(judge_page(asked, answer).pixels);
  answer = asked;  // not well-formed: it equals nothing, not even itself
  answer.states[0] = "<body><h1>sun";
  EXPECT_FALSE(judge_page(answer, answer).dom);
  EXPECT_FALSE(judge_page(asked, {}).right());
  EXPECT_FALSE(judge_page({}, {}).right());
}

}  // namespace
}  // namespace hadal
