import type { Topic } from './topic.js';

/** What users say about money, habits and things they would like to have. */
export const PRODUCT: readonly Topic[] = [
  {
    label: 'Charged twice in one month',
    summary: 'Customers see two charges for the same billing period.',
    titles: ['Charged twice for {plan}', 'Double payment this month', 'Second invoice for the same period'],
    sentences: [
      'My card was charged twice for the {plan} plan this month.',
      'There are two invoices with different numbers for the same period.',
      'After I changed the card the old one was charged as well.',
      'I would like to have the second payment refunded.',
      'The billing page shows one payment, my bank shows two.',
    ],
  },
  {
    label: 'Invoices lack the tax number',
    summary: 'Invoices cannot be used for accounting since tax number and address are missing.',
    titles: ['VAT number missing on the invoice', 'Invoice without company address', 'Cannot change billing address'],
    sentences: [
      'Our accounting refuses the invoice since our VAT number is not on it.',
      'The billing address cannot be changed after the first payment.',
      'We need {n} corrected invoices for the last quarter.',
      'The invoice shows the name of a person instead of the company.',
      'Tax is charged although we entered a valid number.',
    ],
  },
  {
    label: 'Price change is hard to understand',
    summary: 'Users do not understand what they will pay when they add seats or change the plan.',
    titles: ['What does {plan} cost for {n} seats?', 'Confusing pricing', 'Upgrade price differs from the website'],
    sentences: [
      'The website names another price for {plan} than the checkout.',
      'I cannot see what an additional seat costs before I have bought it.',
      'We removed {n} seats, and the next bill was higher than before.',
      'Please show what is credited when somebody goes from {plan} to a smaller plan.',
      'The price went up with a single line in a newsletter.',
    ],
  },
  {
    label: 'Dark mode wanted',
    summary: 'Users working at night ask for a dark theme that follows the system.',
    titles: ['Dark mode please', 'Feature request: dark theme for {page}', 'My eyes hurt at night'],
    sentences: [
      'Please add a dark theme, the white {page} is blinding at night.',
      'It should follow the setting of the operating system.',
      'Other tools such as {tool} have had a dark mode for years.',
      'High contrast would help colleagues with weak eyesight, too.',
      'The existing dark colours of the beta leave grey text on grey ground.',
    ],
  },
  {
    label: 'Keyboard shortcuts wanted',
    summary: 'Power users want to reach every action without the mouse.',
    titles: ['Keyboard shortcuts for {page}', 'Let me work without a mouse', 'Shortcut to archive and go on'],
    sentences: [
      'I handle {n} items a day and need shortcuts for archive, assign and next.',
      'A list of all keys on pressing the question mark would be great.',
      'Please let us change the shortcuts, some collide with those of {browser}.',
      'Going through the {page} by tab key skips half of the buttons.',
      'In {tool} I never touch the mouse, here I have to for everything.',
    ],
  },
  {
    label: 'Export as CSV and spreadsheet',
    summary: 'Users want to take their data out as CSV or a spreadsheet, with all columns.',
    titles: ['Export {page} to CSV', 'Excel export cuts off after {n} rows', 'Umlauts broken in the CSV export'],
    sentences: [
      'I need the {page} as CSV for my monthly report.',
      'The export stops after {n} rows without saying so.',
      'Columns that I added myself are missing from the spreadsheet.',
      'Letters with accents are broken when the CSV is opened in Excel.',
      'An export that runs every night and lands in a bucket would save us hours.',
    ],
  },
  {
    label: 'Search does not find known items',
    summary: 'Full-text search misses items that are there, above all parts of words.',
    titles: ['Search finds nothing', 'Cannot find items by number', 'Search ignores {page}'],
    sentences: [
      'Searching for the exact title of an item gives no result.',
      'The search finds whole words only, never the beginning of one.',
      'New items are found after {n} minutes at the earliest.',
      'Filters are forgotten as soon as I open a result and go back.',
      'Results should be sorted by date, at least on request.',
    ],
  },
  {
    label: 'Too many e-mail notifications',
    summary: 'Notifications come one by one and cannot be bundled or switched off for one project.',
    titles: ['{n} e-mails a day', 'Notification settings are ignored', 'Digest instead of single mails'],
    sentences: [
      'I get {n} mails a day, one for each comment.',
      'Switching notifications off on the {page} has no effect.',
      'A daily digest would be enough for most of our projects.',
      'Push messages on my {device} arrive twice, or hours late.',
      'I want to hear of mentions of me and of nothing else.',
    ],
  },
  {
    label: 'Integration with {tool} wanted',
    summary: 'Teams ask for a connection to the tools where they already work.',
    titles: ['Integration with {tool}', 'Send new items to {tool}', 'Webhooks for status changes'],
    sentences: [
      'We would like to see new items in {tool} without copying them by hand.',
      'A webhook on every change of status would already be enough.',
      'The existing connection to {tool} loses its permission every {n} days.',
      'Closing a ticket in {tool} should close the item here.',
      'Please document which fields the webhook sends.',
    ],
  },
  {
    label: 'Roles and permissions are too coarse',
    summary: 'Administrators want to give guests and auditors less than full access.',
    titles: ['Read-only role needed', 'Guests can see {page}', 'Permissions per project'],
    sentences: [
      'Guests can open the {page} although they were invited to one project only.',
      'We need a role that may read everything and change nothing.',
      'There is no record of who changed which permission.',
      'Giving {n} people access one by one takes an afternoon.',
      'Groups from our directory should decide who sees what.',
    ],
  },
];
