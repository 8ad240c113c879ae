// The fixed text of the pages that `lamprey report` writes. The build makes it of pages/*.html
// (pages/embed.cmake). Pages load nothing from anywhere.
#pragma once

namespace lamprey::cli {

// What stands on both sides of a page's {{data}}.
struct PageText {
  const char* before_data;
  const char* after_data;
};

extern const PageText kFlamePage;  // the data is JSON in a script element
extern const PageText kFleetPage;  // the data is the body's content

}  // namespace lamprey::cli
