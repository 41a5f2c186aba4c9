// What a person has chosen for this browser: language, theme, columns, views. Nothing here is secret.

export type Theme = 'system' | 'light' | 'dark';
export type Language = 'en' | 'zh';

export interface View {
  name: string;
  query: string;
}

const KEY = 'longhaul.preferences';

class Preferences {
  theme: Theme = $state('system');
  language: Language = $state(navigator.language.startsWith('zh') ? 'zh' : 'en');
  views: View[] = $state([]);

  constructor() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>;
      this.theme = kept.theme ?? this.theme;
      this.language = kept.language ?? this.language;
      this.views = kept.views ?? [];
    } catch {
      // Whatever is there is not ours.
    }
  }

  save(): void {
    const {theme, language, views} = this;
    localStorage.setItem(KEY, JSON.stringify({theme, language, views}));
  }
}

export const prefs = new Preferences();
