## The language, in itself

language-name = العربية

## Dates

date = { $day }{"\u00A0"}{ $month } { $year }، الساعة{"\u00A0"}{ $time } (UTC)
day-1 = 1
month-1 = يناير
month-2 = فبراير
month-3 = مارس
month-4 = أبريل
month-5 = مايو
month-6 = يونيو
month-7 = يوليو
month-8 = أغسطس
month-9 = سبتمبر
month-10 = أكتوبر
month-11 = نوفمبر
month-12 = ديسمبر

## Mails

greeting = مرحبًا،
invitation-next = يفتح الزر صفحة يمكنك فيها قبول الدعوة. وقبولها يؤكد أيضًا أن عنوان البريد الإلكتروني هذا يخصك.
invitation-next-link = لقبول الدعوة وتأكيد أن عنوان البريد الإلكتروني هذا يخصك، يُرجى فتح الرابط التالي في المتصفح:
invitation-open = عرض الدعوة
invitation-button = قبول الدعوة
link-fallback = إذا لم يعمل الزر، فيُرجى نسخ هذا الرابط إلى المتصفح:
referral-code = رمز الإحالة: { $code }
referral-code-note = لا حاجة إلى هذا الرمز إلا عند التسجيل من دون الرابط أعلاه.
invitation-expires = الدعوة صالحة حتى { $date }.
invitation-unexpected = إذا لم تكن هذه الرسالة متوقعة، فيمكنك تجاهلها: لن يحدث شيء من دون قبول الدعوة.
sent-to = أُرسلت هذه الرسالة إلى { $address }.
imprint = معلومات قانونية
privacy = الخصوصية
contact = التواصل مع { $app }

## Invite

invite-subject = دعوة للانضمام إلى { $app }
invite-subject-from = دعوة من { $inviter } للانضمام إلى { $app }
invite-preheader = يمكنك قبول الدعوة والبدء الآن.
invite-what = وصلتك دعوة للانضمام إلى { $app }.
invite-what-from = وصلتك دعوة من { $inviter } للانضمام إلى { $app }.

## Referral

referral-subject = توصية بتجربة { $app }
referral-subject-from = توصية من { $inviter } بتجربة { $app }
referral-preheader = يمكنك إلقاء نظرة والانضمام إذا أعجبك الأمر.
referral-what = وصلتك دعوة للانضمام إلى { $app } من أحد المستخدمين.
referral-what-from = وصلتك من { $inviter } توصية بتجربة { $app } ودعوة للانضمام.
referral-next = يفتح الزر صفحة يمكنك فيها قبول الدعوة. وقبولها يُنشئ حسابك ويؤكد أن عنوان البريد الإلكتروني هذا يخصك.
referral-next-link = لقبول الدعوة وإنشاء حسابك وتأكيد أن عنوان البريد الإلكتروني هذا يخصك، يُرجى فتح الرابط التالي في المتصفح:
referral-unexpected = إذا لم تكن هذه الرسالة متوقعة، فيمكنك تجاهلها: لن يُنشأ أي حساب ما لم تُقبل الدعوة.

## The end of a referral

opt-out = إيقاف الدعوات من مستخدمي { $app }
opt-out-link = لإيقاف الدعوات من مستخدمي { $app }، يُرجى فتح الرابط التالي في المتصفح:

## The page behind that link

opt-out-ask-heading = إيقاف الدعوات إلى { $app }؟
opt-out-ask-text = لن يتمكن مستخدمو { $app } بعد ذلك من إرسال دعوات إليك. ولن يُخطَر أحد بذلك.
opt-out-button = إيقاف الدعوات
opt-out-done-heading = لن تصلك دعوات بعد الآن
opt-out-done-text = لم يعد بإمكان مستخدمي { $app } إرسال دعوات إلى عنوان بريدك الإلكتروني.
opt-out-undo = السماح بالدعوات من جديد
opt-out-undone-heading = أصبحت الدعوات مسموحًا بها من جديد
opt-out-undone-text = يمكن لمستخدمي { $app } إرسال دعوات إلى عنوان بريدك الإلكتروني من جديد.

## The page behind the link

open-heading = دعوتك للانضمام إلى { $app }
open-address = أُرسلت هذه الدعوة إلى { $address }.
open-note = قبول الدعوة يؤكد أن عنوان البريد الإلكتروني هذا يخصك.
referral-note = قبول الدعوة يُنشئ لك حسابًا في { $app } ويؤكد أن عنوان البريد الإلكتروني هذا يخصك.
unexpected-page = إذا لم تكن هذه الدعوة متوقعة، فيمكنك إغلاق هذه الصفحة: لن يحدث شيء.
accepted-heading = شكرًا جزيلًا!
accepted-text = تم تأكيد عنوان بريدك الإلكتروني. أهلًا بك في { $app }!
close-page = يمكنك إغلاق هذه الصفحة الآن.
continue = المتابعة إلى { $app }
already-heading = سبق قبول الدعوة
already-text = سبق قبول هذه الدعوة للانضمام إلى { $app }. لا يلزمك فعل أي شيء آخر.
expired-heading = انتهت صلاحية هذه الدعوة
expired-text = يُرجى الضغط على الزر لتلقي دعوة جديدة للانضمام إلى { $app } على العنوان نفسه.
renew = إرسال دعوة جديدة
renewed-heading = يُرجى التحقق من صندوق الوارد
renewed-text = ستصل دعوة جديدة للانضمام إلى { $app } إلى العنوان نفسه. إذا أُرسلت دعوة قبل قليل، فيُرجى استخدامها.
unknown-heading = هذا الرابط لا يعمل
unknown-text = ربما يكون الرابط غير كامل، أو ربما سُحبت الدعوة. يُرجى التحقق من فتح الرابط الكامل الوارد في الرسالة، أو طلب دعوة جديدة.
link-unknown-text = ربما يكون الرابط غير كامل. يُرجى التحقق من فتح الرابط الكامل الوارد في الرسالة.
member-heading = لديك حساب بالفعل
member-text = عنوان البريد الإلكتروني هذا مرتبط بالفعل بحساب في { $app }. يُرجى تسجيل الدخول كالمعتاد.
trouble-heading = يُرجى المحاولة مرة أخرى بعد لحظات
trouble-text = حدث خلل مؤقت لدينا. لم يُفقد أي شيء: يُرجى فتح الرابط مرة أخرى بعد بضع دقائق.

## The mail that confirms a new address

confirmation-subject = يُرجى تأكيد عنوان بريدك الإلكتروني الجديد في { $app }
confirmation-preheader = لن يستغرق ذلك سوى لحظة.
confirmation-what = أُدخل عنوان البريد الإلكتروني هذا لحساب في { $app }.
confirmation-next = يفتح الزر صفحة يمكنك فيها تأكيد أن عنوان البريد الإلكتروني هذا يخصك.
confirmation-next-link = لتأكيد أن عنوان البريد الإلكتروني هذا يخصك، يُرجى فتح الرابط التالي في المتصفح:
confirmation-button = تأكيد العنوان
confirmation-expires = الرابط صالح حتى { $date }.
confirmation-unexpected = إذا لم تكن هذه الرسالة متوقعة، فيمكنك تجاهلها: لن يُؤكَّد العنوان.

## The mail to the former address

notice-subject = تم تغيير عنوان البريد الإلكتروني لحسابك في { $app }
notice-preheader = إذا لم يكن التغيير منك، فيُرجى التواصل معنا فورًا.
notice-what = أصبح لحسابك في { $app } عنوان بريد إلكتروني آخر بدلًا من هذا العنوان.
notice-next = إذا كان التغيير منك، فلا يلزمك فعل أي شيء.
notice-unexpected = إذا لم يكن التغيير منك، فيُرجى التواصل مع { $app } فورًا.
notice-contact = إذا لم يكن التغيير منك، فيُرجى مراسلة { $address } فورًا.

## The mail to who has an address that another user asked for

taken-subject = أُدخل عنوان بريدك الإلكتروني مرة أخرى في { $app }
taken-preheader = لم يتغير شيء.
taken-what = أُدخل عنوان البريد الإلكتروني هذا لحساب آخر في { $app }. العنوان مرتبط بحسابك وسيبقى كذلك.
taken-next = إذا كنت أنت من أدخل العنوان، فيُرجى اختيار عنوان مختلف للحساب الآخر.
taken-unexpected = إذا أدخله شخص آخر، فلا يلزمك فعل أي شيء. وإذا تكرر ذلك، فيُرجى التواصل مع { $app }.
taken-contact = إذا أدخله شخص آخر، فلا يلزمك فعل أي شيء. وإذا تكرر ذلك، فيُرجى مراسلة { $address }.

## The page that confirms a new address

confirm-heading = هل هذا عنوان بريدك الإلكتروني؟
confirm-address = أُدخل العنوان { $address } لحساب في { $app }.
confirm-unexpected = إذا لم يكن هذا متوقعًا، فيمكنك إغلاق هذه الصفحة: لن يحدث شيء.
confirmed-text = تم تأكيد عنوان بريدك الإلكتروني.
confirmed-before-heading = سبق تأكيد العنوان
confirmed-before-text = سبق تأكيد عنوان البريد الإلكتروني هذا. لا يلزمك فعل أي شيء آخر.
confirm-expired-heading = انتهت صلاحية هذا الرابط
confirm-expired-text = يُرجى طلب رابط جديد من { $app }.
confirm-taken-heading = لم يعد من الممكن استخدام هذا العنوان
confirm-taken-text = أصبح هذا العنوان مرتبطًا بحساب آخر في { $app }. يحتفظ حسابك بعنوانه السابق.
confirm-unknown-text = ربما يكون الرابط غير كامل، أو حلّ محله رابط أحدث. يُرجى التحقق من فتح الرابط الكامل الوارد في أحدث رسالة.
confirm-trouble-text = حدث خلل مؤقت لدينا. لم يُفقد أي شيء: يُرجى فتح الرابط مرة أخرى بعد بضع دقائق.
