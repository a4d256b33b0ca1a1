/** A subject that users write about; a cluster holds the feedback on one topic. */
export interface Topic {
  /** Short name, as the title of a cluster. */
  readonly label: string;
  readonly summary: string;
  /** Titles of single reports. */
  readonly titles: readonly string[];
  /** Sentences of a report on the topic; any selection in any order makes sense. */
  readonly sentences: readonly string[];
}

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

/** What users report when something does not work. Words in braces are filled in, see wording.ts. */
export const DEFECTS: readonly Topic[] = [
  {
    label: 'Crash on opening attachments',
    summary: 'The app closes without a message as soon as a large attachment is opened.',
    titles: [
      'App crashes when I open a {file}',
      'Crash on attachment preview ({version})',
      'Opening a {file} kills the app',
    ],
    sentences: [
      'The app closes without any message the moment I tap on a {file}.',
      'It crashes every time an attachment is larger than {n} MB.',
      'After the crash the whole draft was gone, attachments included.',
      'The preview shows a white screen for a second and then the app is gone.',
      'Smaller files open fine, so it must run out of memory while it decodes the {file}.',
    ],
  },
  {
    label: 'Crash at start after the update',
    summary: 'Since the last update the app does not get past its splash screen on some devices.',
    titles: [
      'Does not start any more since {version}',
      'Splash screen, then crash on {device}',
      '{version} crashes on launch',
    ],
    sentences: [
      'Since the update to {version} the app does not get past the splash screen.',
      'I installed it again on my {device}, and it still crashes at launch.',
      'Clearing the cache helps once, the next start fails again.',
      'A colleague with the same {device} sees exactly the same crash on start.',
      'Going back to the previous release fixes the launch at once.',
    ],
  },
  {
    label: 'Unhandled exception in the editor',
    summary: 'The editor throws while text is pasted or undone, and the page has to be loaded again.',
    titles: [
      'TypeError: cannot read properties of undefined',
      'Editor breaks after paste',
      'Undo throws in the {page} editor',
    ],
    sentences: [
      'Pasting formatted text from {tool} into the editor throws an exception.',
      'The console shows a TypeError in the undo stack of the editor.',
      'After the exception the editor takes no more keys until I reload the page.',
      'It happens with undo right after a paste, about one time in {n}.',
      'The toolbar of the editor stays grey and nothing can be saved.',
    ],
  },
  {
    label: 'Login loop with single sign-on',
    summary: 'Signing in over the company account ends on the login page again.',
    titles: [
      'SSO sends me back to the login page',
      'Endless login loop with {provider}',
      'Cannot sign in with {provider}',
    ],
    sentences: [
      'I sign in with {provider}, am sent back, and see the login page again.',
      'The single sign-on loop starts after about {n} hours of being logged in.',
      'Deleting the cookies lets me log in exactly once.',
      'Signing in with a password works, only {provider} goes round in circles.',
      'Our whole team is locked out since the identity provider renewed its certificate.',
    ],
  },
  {
    label: 'Password reset mail does not arrive',
    summary: 'The mail with the link for a new password comes late or never, or its link has run out.',
    titles: ['No password reset e-mail', 'Reset link is always expired', 'Forgot password does nothing'],
    sentences: [
      'I asked for a new password {n} times and no mail came, spam folder included.',
      'The reset link says that it has expired although the mail is a minute old.',
      'Support had to set my password by hand.',
      'The form for a forgotten password shows success, but no mail is sent to addresses with a plus sign.',
      'It would help to see when the last reset mail was sent.',
    ],
  },
  {
    label: 'Two-factor codes are refused',
    summary: 'Correct codes of the authenticator app are refused, mostly after a change of phone.',
    titles: ['2FA code always wrong', 'Authenticator codes refused on {device}', 'Locked out after changing my phone'],
    sentences: [
      'The six digits of my authenticator are refused every time.',
      'I moved to a new {device} and the recovery codes do not work either.',
      'The second factor fails while the clock of the phone is right to the second.',
      'After {n} wrong codes the account is locked and there is no way to unlock it.',
      'Text message codes arrive when they have already run out.',
    ],
  },
  {
    label: 'Dashboard loads slowly',
    summary: 'The first view of the dashboard takes many seconds in accounts with much data.',
    titles: ['{page} takes {n} seconds to load', 'Very slow dashboard', 'Loading spinner for ages on {page}'],
    sentences: [
      'The {page} takes {n} seconds until I see anything but a spinner.',
      'It was fast with a few hundred records and is unbearably slow with thousands.',
      'The network tab shows one request that alone takes most of the time.',
      'In {browser} the tab even asks whether I want to wait for the page.',
      'Loading gets slower week by week, so some query must be missing an index.',
    ],
  },
  {
    label: 'Memory grows until the tab freezes',
    summary: 'A tab left open over the day takes gigabytes of memory and stops responding.',
    titles: ['Memory leak in {browser}', 'Tab freezes after a few hours', '{page} eats all my RAM'],
    sentences: [
      'With the {page} open over the day the tab takes {n} GB of memory.',
      'Memory goes up with every automatic refresh and never down again.',
      'In the end {browser} says that the page does not respond.',
      'A heap snapshot shows thousands of detached chart elements.',
      'The fan of my laptop runs all day until I close the tab.',
    ],
  },
  {
    label: 'Sync loses changes made offline',
    summary: 'Edits made without a connection are overwritten when the device is online again.',
    titles: ['Offline changes lost after sync', 'Sync overwrites my edits', 'Conflict copies everywhere on {device}'],
    sentences: [
      'I edited {n} notes on the train, and all of it was gone after the sync.',
      'The older version from the server silently wins over my offline changes.',
      'My {device} and the web show different contents for days.',
      'Synchronising ends with a conflict copy although nobody else changed the note.',
      'There is no way to see what the sync threw away.',
    ],
  },
  {
    label: 'API answers with error 500 under load',
    summary: 'Requests to the public API fail at random when several run at the same time.',
    titles: ['500 from /v2/{resource} under load', 'API timeouts in the evening', 'Upstream error on /v2/{resource}'],
    sentences: [
      'About one request in {n} to /v2/{resource} comes back with status 500.',
      'The API times out in the evening hours, and our integration stops.',
      'The same request succeeds when it is sent again a second later.',
      'There is no Retry-After header, so our client does not know how long to wait.',
      'The status page is green all the time while the error rate goes up.',
    ],
  },
];
