// SPDX-License-Identifier: MIT
// The thread: the turns on show, kept at its end while an answer grows unless the reader scrolled up.
import { path_of, siblings_of, type Conversation, type Turn } from "./conversation";
import { by_id, icon_button } from "./dom";
import { TurnView, type Progress, type TurnActions } from "./turn_view";

const NEAR_END = 80; // px

export class Thread {
  private readonly scroller = by_id("scroller");
  private readonly list = by_id("thread");
  private readonly welcome = by_id("welcome");
  private readonly to_end = icon_button("end", "To the end", () => this.scroll_to_end(), {
    id: "to-end",
    hidden: true,
  });
  private views: TurnView[] = [];
  private at_end = true;

  constructor(private readonly actions: TurnActions) {
    this.scroller.parentElement!.append(this.to_end);
    this.scroller.addEventListener("scroll", () => this.look(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(this.list);
  }

  // Draws what changed; turns that stay keep their elements.
  show(conversation: Conversation, progress_of: (turn: Turn) => Progress | null): void {
    const path = path_of(conversation);
    let same = 0;
    while (same < path.length && this.views[same]?.turn === path[same]) same += 1;
    for (const view of this.views.splice(same)) view.element.remove();
    for (const turn of path.slice(same)) {
      const view = new TurnView(turn, this.actions);
      this.views.push(view);
      this.list.append(view.element);
    }
    for (const view of this.views)
      view.update(siblings_of(conversation, view.turn), progress_of(view.turn));
    this.welcome.hidden = path.length > 0;
    this.look();
  }

  grow(turn: Turn, progress: Progress): void {
    this.views.find((view) => view.turn === turn)?.update_answer(progress);
  }

  edit_last_question(): void {
    const last = this.views.findLast((view) => view.turn.role === "user");
    last?.start_edit();
  }

  scroll_to_end(): void {
    this.at_end = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  private look(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    this.at_end = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.to_end.hidden = this.at_end;
  }
  private follow(): void {
    if (this.at_end) this.scroll_to_end();
    else this.look();
  }
}
